import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { bytes, quick, sh, status, text, until, useCloud } from "./support.mjs";

const cloud = useCloud();

describe("a named sandbox", () => {
  let sandbox;

  before(async () => {
    sandbox = await cloud.create({ name: "probe", timeoutSecs: 600 });
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
    assert.equal(info.sandboxUrl, cloud.url);
    assert.equal(info.network?.allowInternetAccess, true);
    assert.ok(Math.abs(info.createdAt.getTime() - Date.now()) < 600_000);
  });

  it("is healthy", async () => {
    assert.equal((await sandbox.health()).healthy, true);
  });

  it("is found by its name", async () => {
    const again = await cloud.connect("probe");
    assert.equal((await again.info()).sandboxId, sandbox.sandboxId);
    assert.equal((await sh(again, "echo same")).stdout, "same");
  });

  it("keeps its name to itself", async () => {
    await assert.rejects(cloud.create({ name: "probe" }), status(409));
  });

  it("keeps files and processes through suspend and resume", async () => {
    await sandbox.writeFile("/workspace/kept", bytes("kept"));
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
    assert.equal((await sh(await cloud.connect("probe"), "echo awake")).stdout, "awake");
    assert.equal(await sandbox.status(), "running");
  });

  it("survives the death of the server with its processes", async () => {
    const sleeper = await sandbox.startProcess("sleep", { args: ["600"] });
    await cloud.killAndRestart();
    sandbox = await cloud.connect("probe");
    assert.equal(await sandbox.status(), "running");
    assert.equal((await sandbox.getProcess(sleeper.pid)).status, "running");
    assert.equal(text(await sandbox.readFile("/workspace/kept")), "kept");
  });

  it("is gone with all its files when it is terminated", async () => {
    const { sandboxId } = await sandbox.info();
    assert.ok(hasFile("kept"));
    await cloud.client().delete(sandboxId);
    assert.equal((await cloud.client().get(sandboxId)).status, "terminated");
    await assert.rejects(cloud.client().get("probe"), cloud.sdk.SandboxNotFoundError);
    // Deleted in the background.
    await until(async () => !hasFile("kept"));
  });
});

describe("an ephemeral sandbox", () => {
  it("runs, cannot be suspended, and gains that with a name", async () => {
    const sandbox = await cloud.create();
    assert.equal((await sh(sandbox, "id -u; pwd")).stdout, "0\n/workspace");
    await assert.rejects(sandbox.suspend(quick), status(400));
    assert.equal((await sandbox.update({ name: "named-later" })).name, "named-later");
    await sandbox.suspend(quick);
    assert.equal(await sandbox.status(), "suspended");
    await sandbox.terminate();
    await assert.rejects(cloud.client().get("named-later"), cloud.sdk.SandboxNotFoundError);
  });

  it("ends by itself when it has been idle", async () => {
    const sandbox = await cloud.create({ timeoutSecs: 1 });
    await until(async () => (await cloud.client().get(sandbox.sandboxId)).status === "terminated");
  });

  it("boots its entrypoint", async () => {
    const sandbox = await cloud.create({ entrypoint: ["sh", "-c", "echo up > /tmp/up; sleep 600"] });
    await until(async () => (await sh(sandbox, "cat /tmp/up")).stdout === "up");
    await sandbox.terminate();
  });
});

function hasFile(name, folder = cloud.dir) {
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
