// The plugin's tools: each runs in the sandbox of the session that calls it.
import type { Hooks, PluginInput } from "@opencode-ai/plugin";
import type { SandboxSession } from "../client/types.ts";
import type { Results } from "../hooks/tool-after.ts";
import { runBash } from "./bash-run.ts";
import { forward } from "./forward.ts";
import { LiveMetadata } from "./live-metadata.ts";
import { makeTools } from "./tools-shape.ts";

export function sandboxTools(
  client: PluginInput["client"],
  sessionOf: (sessionID: string) => Promise<SandboxSession>,
  results: Results,
): NonNullable<Hooks["tool"]> {
  return makeTools(async (id, args, context) => {
    const session = await sessionOf(context.sessionID);
    const result =
      id === "bash"
        ? await runBash(session, args, context, new LiveMetadata(client, context))
        : await forward(session, id, args, context);
    return results.keep(context.callID, result);
  });
}
