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
  if (!isBashCall(args)) {
    // The bridge refuses it in OpenCode's words. There is nothing to ask, and nothing to run, whatever it makes of the rest.
    const refused = "command" in args && typeof args.command === "string" ? { ...args, command: "" } : args;
    return await forward(session, "bash", refused, context);
  }
  const { command, workdir = "" } = args;
  const cwd = posix.resolve(WORKSPACE, workdir);
  for (const question of await bashQuestions(command, cwd, surroundingsOf(session, context))) {
    await context.ask(question);
  }

  const tail = new OutputTail();
  const shown = () => ({ output: tail.shown() });
  const drop = new AbortController();
  const forgetDrop = afterwards(context.abort, END_MS, () => drop.abort(context.abort.reason));
  const call = forward(session, "bash", args, context, {
    onOutput: (bytes) => {
      tail.push(bytes);
      live.update(shown);
    },
    // What the command prints while it ends belongs to the result.
    stop: context.abort,
    signal: drop.signal,
  }).finally(forgetDrop);
  call.catch(() => {});  // when nobody waits for it any more
  let forgetPatience = () => {};
  const impatient = new Promise<CallResult>((resolve) => {
    forgetPatience = afterwards(context.abort, PATIENCE_MS, () => resolve(aborted(command, tail)));
  });
  try {
    return await Promise.race([call, impatient]);
  } catch (error) {
    if (context.abort.aborted) return aborted(command, tail);
    // Also a command that could not be started has shown its output: none.
    await live.updateNow(shown);
    throw error;
  } finally {
    forgetPatience();
    await live.close();
  }
}

/**
 * How long an aborted command's end is waited for. After 250 ms OpenCode 1.18.33 takes no result any more, and the model would
 * not see what was printed until then.
 */
const PATIENCE_MS = 150;
/** How long the command itself may take to end: the bridge has killed it long before. */
const END_MS = 20_000;

/** Does something so long after a signal has fired, unless what is returned is called before. */
function afterwards(signal: AbortSignal, ms: number, action: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const start = () => {
    timer = setTimeout(action, ms);
  };
  if (signal.aborted) start();
  else signal.addEventListener("abort", start, { once: true });
  return () => {
    signal.removeEventListener("abort", start);
    clearTimeout(timer);
  };
}

interface BashCall {
  command: string;
  workdir?: string;
}

/** Whether the arguments are those of a command that can be run. */
function isBashCall(args: object): args is BashCall {
  const { command, workdir, timeout } = args as Record<string, unknown>;
  return (
    typeof command === "string" &&
    (workdir === undefined || typeof workdir === "string") &&
    (timeout === undefined || (Number.isSafeInteger(timeout) && Number(timeout) > 0))
  );
}

/** What OpenCode's own bash returns when the user stops it, of a command whose end is not known. */
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
