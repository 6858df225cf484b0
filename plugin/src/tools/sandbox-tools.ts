// The plugin's tools: each runs in the sandbox of the session that calls it.
import type { Hooks, PluginInput } from "@opencode-ai/plugin";
import type { SandboxSession } from "../client/types.ts";
import { runBash } from "./bash-run.ts";
import { forward } from "./forward.ts";
import { LiveMetadata } from "./live-metadata.ts";
import { makeTools } from "./tools-shape.ts";

export function sandboxTools(
  client: PluginInput["client"],
  sessionOf: (sessionID: string) => Promise<SandboxSession>,
): NonNullable<Hooks["tool"]> {
  return makeTools(async (id, args, context) => {
    const session = await sessionOf(context.sessionID);
    if (id === "bash") return await runBash(session, args, context, new LiveMetadata(client, context));
    return await forward(session, id, args, context);
  });
}
