// Commands in a sandbox.

import { release, results } from "../capnp/answer.ts";
import { RpcError } from "../capnp/errors.ts";
import type { Command, Process$Client } from "../capnp/generated/sandbox-rpc.ts";
import { Collector, count, pump, sinkInto } from "./bytes.ts";
import { exitStatus } from "./convert.ts";
import type { UseSession } from "./session.ts";
import type { Bytes, ExecOptions, ExitStatus, RunOptions, RunResult } from "./types.ts";

const MAX_OUTPUT = 1 << 20;

/** As the bridge's own: more milliseconds than this are a mistake. */
const MAX_TIMEOUT_MS = 30 * 24 * 3600 * 1000;

export function exec(use: UseSession, command: string | readonly string[], options: ExecOptions): Promise<ExitStatus> {
  return use(async ({ processes }) => {
    // Aborted as well when the output cannot be delivered or the input cannot be read: then the command has no use.
    const stop = new AbortController();
    const abort = (): void => stop.abort(options.signal?.reason);
    if (options.signal?.aborted) abort();
    options.signal?.addEventListener("abort", abort, { once: true });
    const deliver = (take: (bytes: Uint8Array) => void | Promise<void>) => sinkInto(async (bytes) => {
      try {
        await take(bytes);
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    });
    const started = processes.start((p) => {
      writeCommand(p._initCommand(), command, options);
      if (options.onStdout) p.stdout = deliver(options.onStdout);
      if (options.onStderr && !options.mergeStderr) p.stderr = deliver(options.onStderr);
    });
    const process = started.getProcess();
    try {
      // Its cancellation ends a command that has not told us of its start yet; its failure is told by `wait`.
      results(started, stop.signal).catch(() => {});
      if (options.stdin !== undefined) void feed(options.stdin, process, stop);
      return exitStatus((await results(process.wait(), stop.signal)).status);
    } finally {
      options.signal?.removeEventListener("abort", abort);
      // Ends the input's pump where it stands.
      stop.abort(new RpcError("notFound", "the command has ended"));
      // The last reference: a command that still runs is killed.
      release(process);
    }
  }, { signal: options.signal });
}

async function feed(stdin: Bytes, process: Process$Client, stop: AbortController): Promise<void> {
  const sink = process.stdin().getSink();
  try {
    await pump(stdin, sink, stop.signal);
  } catch (error) {
    if (!(error instanceof RpcError)) {
      stop.abort(error); // the caller's own failure
    } else if (error.kind === "interrupted" || error.kind === "unavailable") {
      // The command would wait in vain for what was lost.
      stop.abort(new RpcError("interrupted", `the command was ended because its input was lost: ${error.message}`));
    }
    // Else the command has ended or does not read: its end, which is awaited anyway, tells the rest.
  } finally {
    release(sink);
  }
}

function writeCommand(out: Command, command: string | readonly string[], options: ExecOptions): void {
  const argv = typeof command === "string" ? ["sh", "-c", command] : command;
  const list = out._initArgv(argv.length);
  argv.forEach((argument, i) => list.set(i, argument));
  if (options.workdir !== undefined) out.workdir = options.workdir;
  if (options.env) {
    const variables = Object.entries(options.env);
    const environment = out._initEnvironment(variables.length);
    variables.forEach(([name, value], i) => {
      const variable = environment.get(i);
      variable.name = name;
      variable.value = value;
    });
  }
  if (options.timeoutMs !== undefined) out.timeoutMs = BigInt(count("timeoutMs", options.timeoutMs, MAX_TIMEOUT_MS));
  if (options.mergeStderr) out.mergeStderr = true;
  if (options.stdin !== undefined) out.stdin = true;
}

export async function run(
  use: UseSession, command: string | readonly string[], options: RunOptions,
): Promise<RunResult> {
  const { maxOutputBytes = MAX_OUTPUT, ...rest } = options;
  const stdout = new Collector(maxOutputBytes);
  const stderr = new Collector(maxOutputBytes);
  const status = await exec(use, command, {
    ...rest,
    onStdout: (bytes) => stdout.add(bytes),
    onStderr: (bytes) => stderr.add(bytes),
  });
  return {
    ...status,
    stdout: stdout.text(),
    stderr: stderr.text(),
    truncated: stdout.truncated || stderr.truncated,
  };
}
