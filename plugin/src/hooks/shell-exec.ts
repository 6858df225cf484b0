// What bin/sandbridge-shell runs: one command in the session's sandbox, with its output and its exit code.
import { connect } from "../client/index.ts";

const { SANDBRIDGE_SHELL_SESSION: id, SANDBRIDGE_SHELL_ROOT: root } = process.env;
const connectTimeoutMs = Number(process.env["SANDBRIDGE_SHELL_CONNECT_TIMEOUT_MS"]) || undefined;
const command = process.argv[2];

/** Writes it all before the next piece is taken, so that a slow reader slows the command down. */
const writeTo = (stream: NodeJS.WriteStream) => (bytes: Uint8Array) =>
  new Promise<void>((resolve, reject) => {
    stream.write(bytes, (error) => (error ? reject(error) : resolve()));
  });

async function main(): Promise<number> {
  if (!id || !root || command === undefined) throw new Error("it is not known which session this command belongs to");
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(name, () => stop.abort());
  await using client = connect({ name: "sandbridge-shell", connectTimeoutMs });
  const status = await client.session(id, { root }).exec(["bash", "-c", command], {
    signal: stop.signal,
    onStdout: writeTo(process.stdout),
    onStderr: writeTo(process.stderr),
  });
  return status.code ?? 128 + (status.signal ?? 9);
}

try {
  process.exitCode = await main();
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  process.stderr.write(`sandbridge: nothing was run on this machine, and the sandbox did not run it: ${text}\n`);
  process.exitCode = 1;
}
