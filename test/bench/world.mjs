// The processes that are measured: local clouds, bridges, and the two clients in this process.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const BINARY = process.env.SANDBRIDGE_BINARY ?? `${ROOT}/build/sandbridge`;
const KEY = "tl_apiKey_bench";
const INHERITED = ["PATH", "HOME", "LANG", "TMPDIR"];

/** Resolves with the match of the process' ready line on standard output. */
export async function startProcess(args, environment, ready) {
  const env = Object.fromEntries(INHERITED.filter((name) => process.env[name]).map((name) => [name, process.env[name]]));
  const child = spawn(BINARY, args, {
    env: { ...env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // an interrupt from the terminal is for us, who clean up
  });
  let log = "";
  child.stderr.on("data", (text) => (log += text));
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`sandbridge ${args[0]} ended with ${code ?? signal}: ${log}`)));
  });
  const match = ready.exec(line);
  if (!match) throw new Error(`sandbridge ${args[0]} said ${line}`);
  return { child, match };
}

export async function stopProcess(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}

export class World {
  #directory = mkdtempSync(join(tmpdir(), "sandbridge-bench-"));
  #places = new Map();
  #closers = [];
  #count = 0;
  #closing;

  newDirectory() {
    return join(this.#directory, String(this.#count++));
  }

  onClose(closer) {
    this.#closers.push(closer);
  }

  /** A cloud, a bridge before it and both clients, with this latency in ms each way; one of each kind. */
  place(latency) {
    if (!this.#places.has(latency)) this.#places.set(latency, this.#makePlace(latency));
    return this.#places.get(latency);
  }

  async #makePlace(latency) {
    const cloud = await startProcess(
      ["local-cloud", "--listen", "127.0.0.1:0", "--dir", this.newDirectory(), "--latency", String(latency)],
      { TENSORLAKE_API_KEY: KEY }, /^sandbridge local cloud ready (\S+)/);
    const url = cloud.match[1];
    this.onClose(async () => {
      await deleteSandboxes(url);
      await stopProcess(cloud.child);
    });
    const bridge = await this.bridge({ TENSORLAKE_API_URL: url, TENSORLAKE_API_KEY: KEY });
    // The SDK takes an address for this machine's only when it knows it from the environment, which it reads when loaded.
    process.env.TENSORLAKE_API_URL ??= url;
    process.env.TENSORLAKE_API_KEY = KEY;
    const sdk = await import("../conformance/node_modules/tensorlake/dist/index.js");
    const session = bridge.client.session("bench");
    const { sandboxId } = await session.prepare();
    return {
      ...bridge, cloudPid: cloud.child.pid, session, sdk,
      access: { apiUrl: url, apiKey: KEY },
      // The same sandbox for both.
      official: await sdk.Sandbox.connect({ sandboxId, apiUrl: url, apiKey: KEY }),
    };
  }

  /** A bridge on a state directory of its own, and our client connected to it. */
  async bridge(environment, args = []) {
    const state = this.newDirectory();
    const { child, match } = await startProcess(["serve", "--listen", "127.0.0.1:0", ...args],
      { ...environment, XDG_STATE_HOME: state }, /^sandbridge ready (\S+)/);
    this.onClose(() => stopProcess(child));
    const { connect } = await import("../../plugin/dist/client/index.js");
    const token = readFileSync(join(state, "sandbridge/token"), "utf8").trim();
    const client = connect({ url: match[1], token, name: "bench" });
    this.onClose(() => client.close());
    await client.ping();
    return { client, bridgePid: child.pid };
  }

  close() {
    this.#closing ??= (async () => {
      for (const closer of this.#closers.reverse()) {
        await closer().catch((error) => console.error(`not cleaned up: ${error.message}`));
      }
      rmSync(this.#directory, { recursive: true, force: true });
    })();
    return this.#closing;
  }
}

/** Local sandboxes outlive their server. */
async function deleteSandboxes(url) {
  const call = async (method, path) => {
    const response = await fetch(`${url}/v1/namespaces/default/sandboxes${path}`, {
      method, headers: { authorization: `Bearer ${KEY}` },
    });
    if (!response.ok) throw new Error(`the local cloud answered ${response.status}`);
    return response.json();
  };
  const { sandboxes } = await call("GET", "?limit=100");
  for (const { sandbox_id, id = sandbox_id, status } of sandboxes) {
    if (status !== "terminated") await call("DELETE", `/${id}`);
  }
}
