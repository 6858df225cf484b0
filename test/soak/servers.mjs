// The two processes under test. Each can be killed at any time and comes back on the same port, with the same files.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const BINARY = process.env.SANDBRIDGE_BINARY ?? `${ROOT}/build/sandbridge`;
const KEY = "tl_apiKey_soak";
const READY_MS = 30_000;

class Server {
  /** @param args gets the address to listen on */
  constructor(args, environment) {
    this.args = args;
    this.environment = environment;
    this.address = "127.0.0.1:0";
    this.log = "";
  }

  async start(...more) {
    const env = Object.fromEntries(["PATH", "HOME", "LANG", "TMPDIR"].filter((n) => process.env[n]).map((n) => [n, process.env[n]]));
    const child = spawn(BINARY, [...this.args(this.address), ...more], {
      env: { ...env, ...this.environment }, stdio: ["ignore", "pipe", "pipe"], detached: true,
    });
    this.child = child;
    child.stderr.on("data", (text) => {
      this.log = (this.log + text).slice(-20_000);
    });
    const line = await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${this.args("")[0]} is not ready after ${READY_MS} ms`)), READY_MS);
      createInterface({ input: child.stdout }).once("line", (text) => {
        clearTimeout(late);
        resolve(text);
      });
      child.once("error", reject);
      child.once("exit", (code, signal) => reject(new Error(`it ended with ${code ?? signal}: ${this.log}`)));
    });
    this.address = /127\.0\.0\.1:\d+/.exec(line)[0];
    return this;
  }

  get pid() {
    return this.child.pid;
  }
  get alive() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async end(signal) {
    if (!this.alive) return;
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill(signal);
    await ended;
  }
}

export class World {
  directory = mkdtempSync(join(tmpdir(), "sandbridge-soak-"));
  files = join(this.directory, "cloud");
  tokenFile = join(this.directory, "token");
  cloud = new Server((address) => ["local-cloud", "--listen", address, "--dir", this.files], { TENSORLAKE_API_KEY: KEY });
  /** @type {Server} */
  bridge;

  async start(faults) {
    await this.cloud.start(...faults);
    this.bridge = new Server((address) => ["serve", "--listen", address, "--token-file", this.tokenFile], {
      TENSORLAKE_API_URL: `http://${this.cloud.address}`, TENSORLAKE_API_KEY: KEY, XDG_STATE_HOME: join(this.directory, "state"),
    });
    await this.bridge.start();
  }

  get url() {
    return `ws://${this.bridge.address}/rpc`;
  }

  /** Straight to the cloud, not through the bridge. */
  async sandboxes() {
    const all = [];
    for (let cursor = ""; ;) {
      const answer = await fetch(`http://${this.cloud.address}/v1/namespaces/default/sandboxes?limit=100${cursor && `&cursor=${cursor}`}`,
        { headers: { authorization: `Bearer ${KEY}` } });
      if (!answer.ok) throw new Error(`the cloud answered ${answer.status}`);
      const page = await answer.json();
      all.push(...page.sandboxes);
      if (!page.next_cursor) return all;
      cursor = page.next_cursor;
    }
  }
  async remove(id) {
    await fetch(`http://${this.cloud.address}/v1/namespaces/default/sandboxes/${id}`,
      { method: "DELETE", headers: { authorization: `Bearer ${KEY}` } });
  }

  async stop() {
    await this.bridge?.end("SIGTERM");
    if (this.cloud.child) await this.cloud.end("SIGTERM");
    rmSync(this.directory, { recursive: true, force: true });
  }
}
