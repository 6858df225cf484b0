// Starts the fake bridge and talks with it.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("./fake-bridge-process.ts", import.meta.url));
const plugin = fileURLToPath(new URL("../..", import.meta.url));

export class FakeBridge {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #lines: string[];
  #onLine: () => void = () => {};

  private constructor(child: ChildProcess, port: number, lines: string[]) {
    this.#process = child;
    this.port = port;
    this.#lines = lines;
  }

  /** `port` 0: any. */
  static async start(port = 0): Promise<FakeBridge> {
    // Always in Node, also when Bun runs the tests: it is the other side that they are about.
    const child = spawn("node", ["--import", "tsx", script, String(port)], { cwd: plugin, stdio: ["pipe", "pipe", "inherit"] });
    const lines: string[] = [];
    const bridge = await new Promise<FakeBridge>((resolve, reject) => {
      let started: FakeBridge | undefined;
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (!started) resolve((started = new FakeBridge(child, Number(line.split(" ")[1]), lines)));
        else {
          lines.push(line);
          started.#onLine();
        }
      });
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`the fake bridge ended with ${code}`)));
    });
    return bridge;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/rpc`;
  }

  /** Waits for a line of the bridge's and takes it and those before it. */
  async line(wanted: string): Promise<string> {
    for (;;) {
      const at = this.#lines.findIndex((line) => line.startsWith(wanted));
      const found = this.#lines[at];
      if (found !== undefined) {
        this.#lines.splice(0, at + 1);
        return found;
      }
      await new Promise<void>((resolve) => {
        this.#onLine = resolve;
      });
    }
  }

  /** How often a line was said and not yet taken. */
  count(wanted: string): number {
    return this.#lines.filter((line) => line.startsWith(wanted)).length;
  }

  async tell(command: string): Promise<void> {
    this.#process.stdin?.write(`${command}\n`);
    await this.line(`ok ${command}`);
  }

  /** As it was when it started. Lines that were not taken are forgotten. */
  async reset(): Promise<void> {
    await this.tell("reset");
    this.#lines.length = 0;
  }

  get dead(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  async kill(): Promise<void> {
    if (this.dead) return;
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await ended;
  }
}
