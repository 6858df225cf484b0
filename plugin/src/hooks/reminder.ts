// What a prompt tells the model beside the user's own words.
import type { Hooks } from "@opencode-ai/plugin";

type Parts = Parameters<NonNullable<Hooks["chat.message"]>>[1]["parts"];

/** Adds a part that the model reads and the user does not see, in OpenCode's form. */
export function remind(parts: Parts, text: string): void {
  const last = parts.at(-1);
  if (!last) return;
  parts.push({
    // Parts are kept in the order of their ids.
    id: `${last.id}z`,
    messageID: last.messageID,
    sessionID: last.sessionID,
    type: "text",
    synthetic: true,
    text: `<system-reminder>\n${text}\n</system-reminder>`,
  });
}
