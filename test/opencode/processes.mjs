// The processes of a test: started with a line to wait for, ended by their own process id, their output kept for when a test
// fails.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const KEPT_LINES = 200;
const STOP_MS = 10_000;

/** Those that run; they do not outlive the test, however it ends. */
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

export class Child {
  /** Starts a command; `ready` is a pattern that a line of its standard output matches when it is at work. */
  static async start(command, args, { env, cwd, ready, name = command, timeoutMs = 30_000 }) {
    const child = new Child(spawn(command, args, { env, cwd, stdio: ["ignore", "pipe", "pipe"] }), name);
    const line = await child.#lineMatching(ready, timeoutMs);
    child.match = ready.exec(line);
    return child;
  }

  constructor(process, name) {
    this.process = process;
    this.name = name;
    this.lines = [];
    this.waiting = new Set();
    this.exited = once(process, "exit");
    running.add(process);
    this.exited.catch(() => {}).finally(() => running.delete(process));
    for (const stream of [process.stdout, process.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        this.lines.push(line);
        if (this.lines.length > KEPT_LINES) this.lines.shift();
        for (const look of this.waiting) look(line);
      });
    }
  }

  get pid() {
    return this.process.pid;
  }

  #lineMatching(pattern, timeoutMs) {
    return new Promise((resolve, reject) => {
      const fail = (what) => {
        clearTimeout(timer);
        reject(new Error(`${this.name} ${what}:\n${this.lines.join("\n")}`));
      };
      const timer = setTimeout(() => fail(`was not ready after ${timeoutMs} ms`), timeoutMs);
      const look = (line) => {
        if (!pattern.test(line)) return;
        clearTimeout(timer);
        this.waiting.delete(look);
        resolve(line);
      };
      this.waiting.add(look);
      this.exited.then(
        ([code, signal]) => fail(`ended with ${code ?? signal} before it was ready`),
        (error) => fail(`did not start: ${error.message}`),
      );
    });
  }

  /** Ends it and waits for that; a process that does not obey is killed. */
  async stop(signal = "SIGTERM") {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill(signal);
      const timer = setTimeout(() => this.process.kill("SIGKILL"), STOP_MS);
      await this.exited;
      clearTimeout(timer);
    }
  }
}

/** Runs a command to its end: { code, stdout, stderr }. */
export async function run(command, args, { env, cwd, input = "", timeoutMs = 60_000 } = {}) {
  const process = spawn(command, args, { env, cwd, stdio: ["pipe", "pipe", "pipe"] });
  const timer = setTimeout(() => process.kill("SIGKILL"), timeoutMs);
  const collect = async (stream) => {
    let text = "";
    for await (const piece of stream.setEncoding("utf8")) text += piece;
    return text;
  };
  process.stdin.on("error", () => {}); // it may end without reading
  process.stdin.end(input);
  try {
    const [[code, signal], stdout, stderr] = await Promise.all([
      once(process, "close"),
      collect(process.stdout),
      collect(process.stderr),
    ]);
    return { code: code ?? signal, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}
