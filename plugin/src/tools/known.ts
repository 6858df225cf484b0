// Every tool that OpenCode 1.18.33 has, by what the plugin does about it.
import type { Options } from "../host/options.ts";
import { definitions } from "./definitions.ts";

/** They act on the session, the model or the network, not on OpenCode's machine. */
const HARMLESS = new Set([
  "task", "todowrite", "webfetch", "websearch", "question", "invalid", "StructuredOutput", //
]);

/** Reads OpenCode's machine for the user's own sake; hooks/skill.ts brings what it found into the sandbox. */
export const SKILL = "skill";

/** They would show OpenCode's machine: not offered to the model, and refused. */
const HIDDEN = ["lsp", "list"];

/** It searches from OpenCode's machine, with the user's key if there is one, which no sandbox may see. */
export const WEBSEARCH = "websearch";

/** What is not offered to the model, and refused. */
export function hiddenTools({ web }: Pick<Options, "web">): readonly string[] {
  return web === "sandbox" ? [...HIDDEN, WEBSEARCH] : HIDDEN;
}

const SANDBOXED = new Set(definitions.map(({ id }) => id));

/** Ours, which act in the sandbox. */
export const sandboxed: ReadonlySet<string> = SANDBOXED;

/** Whether it may run as it is. */
export function isSafe(tool: string): boolean {
  return SANDBOXED.has(tool) || HARMLESS.has(tool) || tool === SKILL;
}

/** Whether somebody has looked at this tool and decided. */
export function isKnown(tool: string): boolean {
  return isSafe(tool) || HIDDEN.includes(tool);
}
