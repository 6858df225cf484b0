// `process`: what starts a command, or types into one, asks what bash would ask.
import { posix } from "node:path";
import type { SandboxSession } from "../client/types.ts";
import { WORKSPACE } from "../host/workspace.ts";
import { bashQuestions, type Surroundings } from "./bash-questions.ts";
import type { CallContext, CallResult } from "./context.ts";
import { forward } from "./forward.ts";

export async function runProcess(
  session: SandboxSession,
  args: object,
  context: CallContext,
  surroundings: Surroundings,
): Promise<CallResult> {
  const { action, command, workdir, input } = args as Record<string, unknown>;
  if (action === "start" && typeof command === "string") {
    const cwd = posix.resolve(WORKSPACE, typeof workdir === "string" ? workdir : "");
    for (const question of await bashQuestions(command, cwd, surroundings)) await context.ask(question);
  }
  // A shell, or anything else that takes commands, may be what reads it.
  if (action === "input" && typeof input === "string" && input.trim() !== "") {
    await context.ask({ permission: "bash", patterns: [input.trim()], always: [], metadata: { command: input } });
  }
  return await forward(session, "process", args, context);
}
