// `websearch`: the sandbox asks the service that OpenCode 1.18.33 would ask, without the key that OpenCode may have for it.
import type { Question, SandboxSession } from "../client/types.ts";
import { isSwitchedOn } from "../host/environment.ts";
import type { CallContext, CallResult } from "./context.ts";
import { fitted } from "./fitted.ts";
import { forward } from "./forward.ts";
import type { LiveMetadata } from "./live-metadata.ts";

const TITLES = { exa: "Exa Web Search", parallel: "Parallel Web Search" };

export async function runWebsearch(
  session: SandboxSession,
  args: object,
  context: CallContext,
  live: LiveMetadata,
): Promise<CallResult> {
  const provider = providerOf(context.sessionID, process.env);
  let shown = Promise.resolve();
  // The question comes when the arguments have been found valid: only then OpenCode shows who is asked.
  const ask = async (question: Question): Promise<void> => {
    shown = live.updateNow(() => ({ provider }), `${TITLES[provider]} "${(args as { query: string }).query}"`);
    await shown;
    await context.ask(question);
  };
  try {
    return await fitted(session, await forward(session, "websearch", { ...args, provider }, context, { ask }), context.abort);
  } finally {
    await shown; // A late one would turn the finished call into a running one.
  }
}

/** OpenCode 1.18.33: the one that the user has chosen, else half of the sessions have one and half the other. */
export function providerOf(sessionID: string, env: Readonly<Record<string, string | undefined>>): "exa" | "parallel" {
  const chosen = env["OPENCODE_WEBSEARCH_PROVIDER"];
  if (chosen === "exa" || chosen === "parallel") return chosen;
  if (isSwitchedOn(env, "OPENCODE_ENABLE_PARALLEL", "OPENCODE_EXPERIMENTAL_PARALLEL")) return "parallel";
  if (isSwitchedOn(env, "OPENCODE_EXPERIMENTAL", "OPENCODE_ENABLE_EXA", "OPENCODE_EXPERIMENTAL_EXA")) return "exa";
  return fnv1a(sessionID) % 2 === 0 ? "exa" : "parallel";
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
