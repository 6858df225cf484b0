// `sandbridge serve` on local sandboxes, in a directory of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const binary = process.env["SANDBRIDGE_BINARY"] ?? fileURLToPath(new URL("../../../build/sandbridge", import.meta.url));

export class RealBridge {
  readonly #directory: string;
  readonly #options: readonly string[];
  #process: ChildProcess | undefined;
  #url = "";

  private constructor(directory: string, options: readonly string[]) {
    this.#directory = directory;
    this.#options = options;
  }

  /** `options` of `sandbridge serve`, as faults. */
  static async start(...options: string[]): Promise<RealBridge> {
    if (!existsSync(binary)) throw new Error(`${binary} is not there: build the project, or set SANDBRIDGE_BINARY`);
    const bridge = new RealBridge(await mkdtemp(join(tmpdir(), "sandbridge-test-")), options);
    await bridge.startAgain();
    return bridge;
  }

  /** Ready on the address that it had before. */
  async startAgain(): Promise<void> {
    const listen = this.#url ? new URL(this.#url).host : "127.0.0.1:0";
    const environment: NodeJS.ProcessEnv = { ...process.env, XDG_STATE_HOME: this.#directory };
    for (const name of ["TENSORLAKE_API_KEY", "TENSORLAKE_PAT", "SANDBRIDGE_URL", "SANDBRIDGE_TOKEN"]) delete environment[name];
    const child = spawn(binary, ["serve", "--listen", listen, "--local", join(this.#directory, "local"), "--token-file",
      this.tokenFile, ...this.#options], { env: environment, stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    child.stderr.on("data", (text) => {
      log += text;
    });
    this.#process = child;
    const ready = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).once("line", resolve);
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`sandbridge serve ended with ${code}: ${log}`)));
    });
    const url = /^sandbridge ready (ws:\S+)/.exec(ready)?.[1];
    if (!url) throw new Error(`sandbridge serve said ${ready}`);
    this.#url = url;
  }

  get url(): string {
    return this.#url;
  }
  get tokenFile(): string {
    return join(this.#directory, "token");
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  /** The tests have destroyed their sessions before. */
  async stop(): Promise<void> {
    await this.kill("SIGTERM");
    await rm(this.#directory, { recursive: true, force: true });
  }
}
