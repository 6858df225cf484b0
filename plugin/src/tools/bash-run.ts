// `bash`: asks its questions, shows the output while the command runs, and keeps it when the command is aborted.
import { posix } from "node:path";
import type { SandboxSession } from "../client/types.ts";
import { WORKSPACE } from "../host/workspace.ts";
import { bashQuestions, type Surroundings } from "./bash-questions.ts";
import type { CallContext, CallResult } from "./context.ts";
import { forward, toolError } from "./forward.ts";
import type { LiveMetadata } from "./live-metadata.ts";
import { OutputTail } from "./output-tail.ts";

export async function runBash(
  session: SandboxSession,
  args: object,
  context: CallContext,
  live: LiveMetadata,
): Promise<CallResult> {
  const command = "command" in args ? args.command : undefined;
  // Without a command there is nothing to ask: the bridge refuses the call, in OpenCode's words.
  if (typeof command === "string") {
    const workdir = "workdir" in args && typeof args.workdir === "string" ? args.workdir : "";
    const cwd = posix.resolve(WORKSPACE, workdir);
    for (const question of await bashQuestions(command, cwd, surroundingsOf(session, context))) {
      await context.ask(question);
    }
  }

  const tail = new OutputTail();
  try {
    return await forward(session, "bash", args, context, (bytes) => {
      tail.push(bytes);
      live.update(() => ({ output: tail.shown() }));
    });
  } catch (error) {
    if (context.abort.aborted && typeof command === "string") return aborted(command, tail);
    throw error;
  } finally {
    await live.close();
  }
}

/** What OpenCode's own bash returns when the user stops it. */
function aborted(command: string, tail: OutputTail): CallResult {
  const { text, cut } = tail.kept();
  const note = "\n\n<shell_metadata>\nUser aborted the command\n</shell_metadata>";
  const output = `${cut ? "...output truncated...\n\n" : ""}${text || "(no output)"}${note}`;
  return {
    title: command,
    output,
    metadata: { output: tail.isEmpty ? output : tail.shown(), exit: null, truncated: cut },
  };
}

/** Prints the home directory and, for each argument, whether it is a directory: 1 or 0 on a line. */
const LOOK = 'printf "%s\\n" "$HOME"; for path do if [ -d "$path" ]; then echo 1; else echo 0; fi; done';
const LOOK_TIMEOUT_MS = 15_000;

/** The sandbox as questions about a command need it, asked when they do. */
export function surroundingsOf(session: SandboxSession, context: CallContext): Surroundings {
  const look = async (paths: readonly string[]): Promise<string[]> => {
    try {
      const result = await session.run(["sh", "-c", LOOK, "sh", ...paths], {
        signal: context.abort,
        timeoutMs: LOOK_TIMEOUT_MS,
      });
      if (result.code === 0) return result.stdout.split("\n");
    } catch (error) {
      throw toolError(error);
    }
    throw new Error("The sandbox could not tell which of the command's paths are directories.");
  };
  return {
    home: async () => (await look([]))[0] || "/root",
    areDirectories: async (paths) => {
      const lines = await look(paths);
      return paths.map((_, index) => lines[index + 1] === "1");
    },
  };
}
