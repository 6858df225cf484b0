// The plugin's tools: each runs in the sandbox of the session that calls it.
import type { Hooks, PluginInput } from "@opencode-ai/plugin";
import type { SandboxSession } from "../client/types.ts";
import type { Results } from "../hooks/tool-after.ts";
import type { WorkspaceSkill } from "../skills/workspace-skills.ts";
import { runBash, surroundingsOf } from "./bash-run.ts";
import type { CallContext, CallResult } from "./context.ts";
import type { ToolDefinition } from "./definition.ts";
import { forward } from "./forward.ts";
import { LiveMetadata } from "./live-metadata.ts";
import { runProcess } from "./process-run.ts";
import { runSkill } from "./skill-run.ts";
import { makeTools } from "./tools-shape.ts";
import { runWebfetch } from "./webfetch-run.ts";
import { runWebsearch } from "./websearch-run.ts";

export function sandboxTools(
  client: PluginInput["client"],
  sessionOf: (sessionID: string) => Promise<SandboxSession>,
  skillsOf: (root: string) => readonly WorkspaceSkill[],
  results: Results,
  definitions: readonly ToolDefinition[],
): NonNullable<Hooks["tool"]> {
  return makeTools(async (id, args, context) => {
    const session = await sessionOf(context.sessionID);
    return results.keep(context.callID, await run(client, session, skillsOf, id, args, context));
  }, definitions);
}

function run(
  client: PluginInput["client"],
  session: SandboxSession,
  skillsOf: (root: string) => readonly WorkspaceSkill[],
  id: string,
  args: object,
  context: CallContext,
): Promise<CallResult> {
  switch (id) {
    case "bash":
      return runBash(session, args, context, new LiveMetadata(client, context));
    case "process":
      return runProcess(session, args, context, surroundingsOf(session, context));
    case "webfetch":
      return runWebfetch(session, args, context);
    case "websearch":
      return runWebsearch(session, args, context, new LiveMetadata(client, context));
    case "skill":
      return runSkill(client, session, skillsOf, args, context);
    default:
      return forward(session, id, args, context);
  }
}
