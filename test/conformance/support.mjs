// TensorLake's own SDK, unmodified, against the local cloud: what it does here it does there. Each subject has a test file
// of its own, which `useCloud()` gives a server of its own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before } from "node:test";

const BINARY = process.env.SANDBRIDGE_BINARY ?? new URL("../../build/sandbridge", import.meta.url).pathname;
const KEY = "tl_apiKey_conformance";

// For suspend, resume and whatever else waits.
export const quick = { pollInterval: 0.05, timeout: 30 };

// Starts a local cloud before the tests of this file, and after them deletes its sandboxes, stops it and removes its files.
export function useCloud() {
  const cloud = new Cloud();
  before(() => cloud.start());
  after(() => cloud.stop());
  return cloud;
}

class Cloud {
  dir = mkdtempSync(join(tmpdir(), "sandbridge-conformance-"));
  key = KEY;
  url; // where the server listens; another after killAndRestart()
  sdk; // the module "tensorlake"
  #server;

  async start() {
    await this.#spawn();
    process.env.TENSORLAKE_API_URL = this.url;
    process.env.TENSORLAKE_API_KEY = KEY;
    // The SDK reads its environment when it is loaded, so it is imported after the server has said where it listens.
    this.sdk = await import("tensorlake");
  }

  async stop() {
    try {
      if (this.sdk) for (const one of await this.client().list()) await this.client().delete(one.sandboxId);
    } finally {
      await this.#end("SIGTERM");
      rmSync(this.dir, { recursive: true, force: true });
    }
  }

  // kill -9, and another server on the same files.
  async killAndRestart() {
    await this.#end("SIGKILL");
    await this.#spawn();
  }

  options(more = {}) {
    return { apiUrl: this.url, apiKey: KEY, cpus: 1, memoryMb: 256, ...more };
  }

  create(more = {}) {
    return this.sdk.Sandbox.create(this.options(more));
  }

  connect(sandboxId) {
    return this.sdk.Sandbox.connect({ sandboxId, apiUrl: this.url, apiKey: KEY });
  }

  client() {
    return new this.sdk.SandboxClient({ apiUrl: this.url, apiKey: KEY }, true);
  }

  async #spawn() {
    const child = spawn(BINARY, ["local-cloud", "--listen", "127.0.0.1:0", "--dir", this.dir], {
      env: { ...process.env, TENSORLAKE_API_KEY: KEY },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#server = child;
    const ready = /^sandbridge local cloud ready (http:\/\/127\.0\.0\.1:\d+) \(sandboxes in (.*)\)$/;
    for await (const line of createInterface({ input: child.stdout })) {
      const match = ready.exec(line);
      assert.ok(match, `not the ready line: ${line}`);
      assert.equal(match[2], this.dir);
      this.url = match[1];
      return;
    }
    throw new Error("the local cloud ended without its ready line");
  }

  async #end(signal) {
    const child = this.#server;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }
}

export const sh = (sandbox, script, more = {}) => sandbox.run("sh", { args: ["-c", script], ...more });

export const bytes = (text) => new TextEncoder().encode(text);
export const text = (bytes) => new TextDecoder().decode(bytes);

// For assert.rejects: an answer of the service with this status.
export const status = (code) => (error) => {
  assert.equal(error.statusCode, code, String(error));
  return true;
};

export async function until(condition) {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, "it did not happen in thirty seconds");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
