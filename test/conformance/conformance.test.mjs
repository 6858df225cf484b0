// TensorLake's own SDK, unmodified, against the local cloud: what it does here it does there.
//
// The SDK reads its environment when it is loaded and lives on this machine only by address, so it is imported after
// the server has said where it listens.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";

const BINARY = process.env.SANDBRIDGE_BINARY ?? new URL("../../build/sandbridge", import.meta.url).pathname;
const KEY = "tl_apiKey_conformance";

let dir, server, url, sdk;

async function startServer() {
  const child = spawn(BINARY, ["local-cloud", "--listen", "127.0.0.1:0", "--dir", dir], {
    env: { ...process.env, TENSORLAKE_API_KEY: KEY },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ready = /^sandbridge local cloud ready (http:\/\/127\.0\.0\.1:\d+) \(sandboxes in (.*)\)$/;
  for await (const line of createInterface({ input: child.stdout })) {
    const match = ready.exec(line);
    assert.ok(match, `not the ready line: ${line}`);
    assert.equal(match[2], dir);
    return { child, url: match[1] };
  }
  throw new Error("the local cloud ended without its ready line");
}

const ended = (child) => new Promise((resolve) => child.once("exit", resolve));

const options = (more = {}) => ({ apiUrl: url, apiKey: KEY, cpus: 1, memoryMb: 256, ...more });
const client = () => new sdk.SandboxClient({ apiUrl: url, apiKey: KEY }, true);
const connect = (sandboxId) => sdk.Sandbox.connect({ sandboxId, apiUrl: url, apiKey: KEY });
const quick = { pollInterval: 0.05, timeout: 30 };
const sh = (sandbox, script, more = {}) => sandbox.run("sh", { args: ["-c", script], ...more });
const text = (bytes) => new TextDecoder().decode(bytes);

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "sandbridge-conformance-"));
  ({ child: server, url } = await startServer());
  process.env.TENSORLAKE_API_URL = url;
  process.env.TENSORLAKE_API_KEY = KEY;
  sdk = await import("tensorlake");
});

after(async () => {
  try {
    if (url) for (const one of await client().list()) await client().delete(one.sandboxId);
  } finally {
    if (server?.exitCode === null) {
      server.kill("SIGTERM");
      await ended(server);
    }
    rmSync(dir, { recursive: true, force: true });
  }
});

describe("a named sandbox", () => {
  let sandbox;

  before(async () => {
    sandbox = await sdk.Sandbox.create(options({ name: "probe", timeoutSecs: 600 }));
  });

  it("is described as it was made", async () => {
    const info = await sandbox.info();
    assert.match(info.sandboxId, /^[0-9a-z]{21}$/);
    assert.equal(info.sandboxId, sandbox.sandboxId);
    assert.equal(info.name, "probe");
    assert.equal(info.status, "running");
    assert.equal(info.namespace, "default");
    assert.equal(info.timeoutSecs, 600);
    assert.equal(info.resources.cpus, 1);
    assert.equal(info.resources.memoryMb, 256);
    assert.equal(info.sandboxUrl, url);
    assert.equal(info.network?.allowInternetAccess, true);
    assert.ok(Math.abs(info.createdAt.getTime() - Date.now()) < 600_000);
  });

  it("is healthy and says what runs in it", async () => {
    assert.equal((await sandbox.health()).healthy, true);
  });

  it("runs commands and tells stdout, stderr and exit code apart", async () => {
    const result = await sh(sandbox, "echo out; echo err >&2; exit 7");
    assert.equal(result.stdout, "out");
    assert.equal(result.stderr, "err");
    assert.equal(result.exitCode, 7);
  });

  it("reports a command killed by a signal as a negative exit code", async () => {
    assert.equal((await sh(sandbox, "kill -9 $$")).exitCode, -9);
  });

  it("takes environment, working directory and timeout", async () => {
    const result = await sh(sandbox, 'echo "$GREETING"; pwd', { env: { GREETING: "a 'b' \"c\"" }, workingDir: "/tmp" });
    assert.equal(result.stdout, "a 'b' \"c\"\n/tmp");
    const late = await sandbox.run("sleep", { args: ["60"], timeout: 0.2 });
    assert.notEqual(late.exitCode, 0);
  });

  it("does not show the server's environment or the host's files", async () => {
    const result = await sh(sandbox, "env; ls -A /root /home 2>/dev/null; cat /proc/*/environ | tr '\\0' '\\n'");
    assert.ok(!result.stdout.includes(KEY));
    const inside = await sh(sandbox, `test -e ${dir} && echo visible || echo hidden`);
    assert.equal(inside.stdout, "hidden");
  });

  it("runs several commands at once", async () => {
    const results = await Promise.all([1, 2, 3, 4].map((n) => sh(sandbox, `echo ${n}`)));
    assert.deepEqual(results.map((result) => result.stdout), ["1", "2", "3", "4"]);
  });

  it("passes long output on whole", async () => {
    const result = await sh(sandbox, "seq 1 20000");
    const lines = result.stdout.split("\n");
    assert.equal(lines.length, 20000);
    assert.equal(lines[19999], "20000");
  });

  it("writes, reads, lists and deletes files, whatever their names and bytes", async () => {
    const path = "/workspace/deep/er/a b+c&d%20é.bin";
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) % 256);
    await sandbox.writeFile(path, bytes);
    assert.deepEqual(new Uint8Array(await sandbox.readFile(path)), bytes);
    await sh(sandbox, ": > /workspace/deep/er/empty");
    assert.equal((await sandbox.readFile("/workspace/deep/er/empty")).length, 0);
    const { entries } = await sandbox.listDirectory("/workspace/deep/er");
    assert.deepEqual(entries.map((entry) => [entry.name, entry.isDir, entry.size]), [
      ["a b+c&d%20é.bin", false, 300_000],
      ["empty", false, 0],
    ]);
    await sandbox.deleteFile(path);
    await assert.rejects(sandbox.readFile(path), (error) => error.statusCode === 404);
  });

  it("is as strict as the service about an empty upload, which this SDK sends without a length", async () => {
    await assert.rejects(sandbox.writeFile("/workspace/none", new Uint8Array()), (error) => error.statusCode === 411);
  });

  it("carries files larger than any buffer on the way", async () => {
    const bytes = new Uint8Array(24 << 20).fill(0x61);
    await sandbox.writeFile("/workspace/large", bytes);
    assert.equal((await sh(sandbox, "wc -c < /workspace/large")).stdout.trim(), String(bytes.length));
    assert.ok(Buffer.from(await sandbox.readFile("/workspace/large")).equals(Buffer.from(bytes)));
  });

  it("refuses paths that climb, and files where there are none", async () => {
    await assert.rejects(sandbox.readFile("/workspace/../etc/passwd"), (error) => error.statusCode === 403);
    await assert.rejects(sandbox.readFile("/workspace/missing"), (error) => error.statusCode === 404);
    await assert.rejects(sandbox.readFile("/workspace"), (error) => error.statusCode === 400);
    await assert.rejects(sandbox.listDirectory("/workspace/missing"), (error) => error.statusCode === 404);
    await assert.rejects(sandbox.deleteFile("/workspace/missing"), (error) => error.statusCode === 404);
  });

  it("starts processes that take input and can be followed and killed", async () => {
    const { pid } = await sandbox.startProcess("cat", { stdinMode: "pipe" });
    await sandbox.writeStdin(pid, new TextEncoder().encode("one\ntwo\n"));
    await sandbox.closeStdin(pid);
    const lines = [];
    for await (const event of sandbox.followOutput(pid)) lines.push(event.line);
    assert.deepEqual(lines, ["one", "two"]);

    const sleeper = await sandbox.startProcess("sleep", { args: ["600"] });
    assert.equal((await sandbox.getProcess(sleeper.pid)).status, "running");
    await sandbox.sendSignal(sleeper.pid, 15);
    await until(async () => (await sandbox.getProcess(sleeper.pid)).status === "signaled");
  });

  it("is found by its name", async () => {
    const again = await connect("probe");
    assert.equal((await again.info()).sandboxId, sandbox.sandboxId);
    assert.equal((await sh(again, "echo same")).stdout, "same");
  });

  it("keeps its name to itself", async () => {
    await assert.rejects(sdk.Sandbox.create(options({ name: "probe" })), (error) => error.statusCode === 409);
  });

  it("keeps files and processes through suspend and resume", async () => {
    await sandbox.writeFile("/workspace/kept", new TextEncoder().encode("kept"));
    const ticker = await sandbox.startProcess("sh", {
      args: ["-c", "i=0; while :; do i=$((i+1)); echo $i > /tmp/ticks; sleep 0.05; done"],
    });
    await until(async () => (await sh(sandbox, "cat /tmp/ticks 2>/dev/null")).exitCode === 0);
    await sandbox.suspend(quick);
    assert.equal(await sandbox.status(), "suspended");
    await sandbox.resume(quick);
    assert.equal(await sandbox.status(), "running");
    assert.equal(text(await sandbox.readFile("/workspace/kept")), "kept");
    assert.equal((await sandbox.getProcess(ticker.pid)).status, "running");
    const before = Number((await sh(sandbox, "cat /tmp/ticks")).stdout);
    await until(async () => Number((await sh(sandbox, "cat /tmp/ticks")).stdout) > before);
    await sandbox.killProcess(ticker.pid);
  });

  it("wakes when it is used", async () => {
    await sandbox.suspend(quick);
    assert.equal((await sh(await connect("probe"), "echo awake")).stdout, "awake");
    assert.equal(await sandbox.status(), "running");
  });

  it("survives the death of the server with its processes", async () => {
    const sleeper = await sandbox.startProcess("sleep", { args: ["600"] });
    server.kill("SIGKILL");
    await ended(server);
    ({ child: server, url } = await startServer());
    sandbox = await connect("probe");
    assert.equal(await sandbox.status(), "running");
    assert.equal((await sandbox.getProcess(sleeper.pid)).status, "running");
    assert.equal(text(await sandbox.readFile("/workspace/kept")), "kept");
  });

  it("is gone with all its files when it is terminated", async () => {
    const id = sandbox.sandboxId === "probe" ? (await sandbox.info()).sandboxId : sandbox.sandboxId;
    assert.ok(hasFile("kept"));
    await client().delete(id);
    assert.equal((await client().get(id)).status, "terminated");
    await assert.rejects(client().get("probe"), sdk.SandboxNotFoundError);
    // Deleted in the background.
    await until(async () => !hasFile("kept"));
  });
});

describe("an ephemeral sandbox", () => {
  it("runs, cannot be suspended, and gains that with a name", async () => {
    const sandbox = await sdk.Sandbox.create(options());
    assert.equal((await sh(sandbox, "id -u; pwd")).stdout, "0\n/workspace");
    await assert.rejects(sandbox.suspend(quick), (error) => error.statusCode === 400);
    assert.equal((await sandbox.update({ name: "named-later" })).name, "named-later");
    await sandbox.suspend(quick);
    assert.equal(await sandbox.status(), "suspended");
    await sandbox.terminate();
    await assert.rejects(client().get("named-later"), sdk.SandboxNotFoundError);
  });

  it("ends by itself when it has been idle", async () => {
    const sandbox = await sdk.Sandbox.create(options({ timeoutSecs: 1 }));
    await until(async () => (await client().get(sandbox.sandboxId)).status === "terminated");
  });

  it("boots its entrypoint", async () => {
    const sandbox = await sdk.Sandbox.create(options({ entrypoint: ["sh", "-c", "echo up > /tmp/up; sleep 600"] }));
    await until(async () => (await sh(sandbox, "cat /tmp/up")).stdout === "up");
    await sandbox.terminate();
  });
});

describe("the service", () => {
  it("lists what there is", async () => {
    const one = await sdk.Sandbox.create(options({ name: "listed" }));
    const found = (await client().list()).filter((item) => item.name === "listed");
    assert.deepEqual(found.map((item) => [item.sandboxId, item.status]), [[one.sandboxId, "running"]]);
    await one.terminate();
  });

  it("has 404 for what it does not have", async () => {
    await assert.rejects(client().get("nobody"), sdk.SandboxNotFoundError);
    await assert.rejects(client().delete("nobody"), sdk.SandboxNotFoundError);
    await assert.rejects(client().suspend("nobody"), sdk.SandboxNotFoundError);
    await assert.rejects(sh(await connect("nobody"), "true"));
  });

  it("tells why a sandbox cannot be made", async () => {
    await assert.rejects(sdk.Sandbox.create(options({ image: "no/such" })), /ImageNotFound|no image 'no\/such'/);
    await assert.rejects(sdk.Sandbox.create(options({ name: "Not A Name" })), (error) => error.statusCode === 400);
    await assert.rejects(sdk.Sandbox.create(options({ snapshotId: "s" })), (error) => error.statusCode === 501);
  });

  it("wants its key", async () => {
    const stranger = new sdk.SandboxClient({ apiUrl: url, apiKey: "wrong" }, true);
    await assert.rejects(stranger.list(), (error) => error.statusCode === 401);
  });
});

function hasFile(name, folder = dir) {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (error.code === "ENOENT") return true; // it is being deleted under our eyes
    if (error.code === "EACCES") return false; // a plain user's overlay: the kernel's own folder
    throw error;
  }
  return entries.some((entry) => (entry.isDirectory() ? hasFile(name, join(folder, entry.name)) : entry.name === name));
}

async function until(condition) {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, "it did not happen in thirty seconds");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
