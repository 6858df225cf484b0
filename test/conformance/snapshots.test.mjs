import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { bytes, quick, sh, status, text, useCloud } from "./support.mjs";

const cloud = useCloud();

const stdout = async (sandbox, script) => {
  const result = await sh(sandbox, script);
  assert.equal(result.exitCode, 0, result.stderr);
  return result.stdout;
};

describe("a checkpoint", () => {
  let source, checkpoint;

  before(async () => {
    source = await cloud.create({ name: "source", memoryMb: 300, diskMb: 20480 });
    await stdout(source, "mkdir -p project/src; echo one > project/src/main; ln -s src/main project/link; rm -rf /usr/share/doc");
    checkpoint = await source.checkpoint(quick);
  });

  it("is described as it was taken", async () => {
    assert.match(checkpoint.snapshotId, /^[0-9a-z]{21}$/);
    const info = await cloud.sdk.Sandbox.getSnapshot(checkpoint.snapshotId, { apiUrl: cloud.url, apiKey: cloud.key });
    assert.equal(info.snapshotId, checkpoint.snapshotId);
    assert.equal(info.sandboxId, source.sandboxId);
    assert.equal(info.namespace, "default");
    assert.equal(info.snapshotType, "filesystem");
    assert.equal(info.baseImage, "tensorlake/ubuntu-minimal");
    assert.ok(info.sizeBytes > 0);
    assert.equal(info.rootfsDiskBytes, 20480 * 2 ** 20);
    assert.ok(Math.abs(info.createdAt.getTime() - Date.now()) < 600_000);
  });

  it("becomes durable and says where", async () => {
    const info = await source.checkpoint({ ...quick, waitUntil: "completed" });
    assert.equal(info.status, "completed");
    assert.ok(info.snapshotUri);
    await cloud.client().deleteSnapshot(info.snapshotId);
  });

  it("is listed with its sandbox", async () => {
    const ids = (await cloud.client().listSnapshots()).map((one) => one.snapshotId);
    assert.ok(ids.includes(checkpoint.snapshotId));
    const own = (await cloud.client().listSnapshots()).filter((one) => one.sandboxId === source.sandboxId);
    assert.ok(own.some((one) => one.snapshotId === checkpoint.snapshotId));
  });

  it("is what new sandboxes start on, each on its own", async () => {
    const first = await cloud.create({ snapshotId: checkpoint.snapshotId });
    const second = await cloud.create({ snapshotId: checkpoint.snapshotId, name: "restored", memoryMb: 400 });
    for (const one of [first, second]) {
      assert.equal(await stdout(one, "cat project/link; test -e /usr/share/doc || echo gone"), "one\ngone");
    }
    await stdout(first, "echo two > project/src/main");
    await stdout(source, "echo three > project/src/main");
    assert.equal(await stdout(second, "cat project/link"), "one");
    const info = await second.info();
    assert.equal(info.resources.memoryMb, 400);
    await second.suspend(quick);
    await second.resume(quick);
    assert.equal(await stdout(second, "cat project/link"), "one");
    await first.terminate();
    await second.terminate();
  });

  it("does not shrink the disk, and grows it", async () => {
    await assert.rejects(cloud.create({ snapshotId: checkpoint.snapshotId, diskMb: 10240 }), /can only grow/);
    const grown = await cloud.create({ snapshotId: checkpoint.snapshotId, diskMb: 30720 });
    assert.equal((await grown.info()).resources.diskMb ?? (await grown.info()).resources.ephemeralDiskMb, 30720);
    await grown.terminate();
  });

  it("can be taken of a suspended sandbox, which stays so", async () => {
    await source.suspend(quick);
    const info = await source.checkpoint(quick);
    assert.equal((await source.info()).status, "suspended");
    const restored = await cloud.create({ snapshotId: info.snapshotId });
    assert.equal(await stdout(restored, "cat project/link"), "three");
    await restored.terminate();
    await cloud.client().deleteSnapshot(info.snapshotId);
  });

  it("of memory is refused, with a reason", async () => {
    await assert.rejects(source.checkpoint({ ...quick, checkpointType: "memory" }), (error) => {
      assert.equal(error.statusCode ?? error.status, 400);
      assert.match(error.message, /cannot keep memory/);
      return true;
    });
  });

  it("outlives its sandbox and the server", async () => {
    await source.terminate();
    await cloud.killAndRestart();
    const restored = await cloud.create({ snapshotId: checkpoint.snapshotId });
    assert.equal(await stdout(restored, "cat project/link"), "one");

    // And the sandbox that stands on it outlives the snapshot.
    await cloud.client().deleteSnapshot(checkpoint.snapshotId);
    await assert.rejects(cloud.client().getSnapshot(checkpoint.snapshotId));
    await assert.rejects(cloud.create({ snapshotId: checkpoint.snapshotId }));
    await cloud.killAndRestart();
    const again = await cloud.connect(restored.sandboxId);
    assert.equal(await stdout(again, "cat project/link"), "one");
    await again.terminate();
  });

  it("that nobody took is not found", async () => {
    await assert.rejects(cloud.client().getSnapshot("0".repeat(21)));
    await assert.rejects(cloud.create({ snapshotId: "0".repeat(21) }));
  });
});

describe("a copy", () => {
  it("is a running sandbox with the same files, as many times as asked", async () => {
    const source = await cloud.create({ name: "original" });
    await source.writeFile("/workspace/data", bytes("\0\xff binary"));
    const answer = await source.copy({ times: 3 });
    assert.equal(answer.sourceSandboxId, source.sandboxId);
    assert.equal(answer.sandboxes.length, 3);
    assert.equal(new Set(answer.sandboxes.map((one) => one.sandboxId)).size, 3);
    for (const one of answer.sandboxes) {
      assert.equal(one.status, "running");
      assert.notEqual(one.sandboxId, source.sandboxId);
      const copy = await cloud.connect(one.sandboxId);
      assert.equal(text(await copy.readFile("/workspace/data")), text(await source.readFile("/workspace/data")));
      await copy.writeFile("/workspace/data", bytes(one.sandboxId));
    }
    for (const one of answer.sandboxes) {
      const copy = await cloud.connect(one.sandboxId);
      assert.equal(text(await copy.readFile("/workspace/data")), one.sandboxId);
      await copy.terminate();
    }
    assert.equal((await source.info()).status, "running");
    // What the copies stood on was never a snapshot of the user's.
    assert.equal((await cloud.client().listSnapshots()).filter((one) => one.sandboxId === source.sandboxId).length, 0);
    await source.terminate();
  });

  it("is made of running sandboxes only, and a bounded number of times", async () => {
    const source = await cloud.create({ name: "sleeper" });
    await assert.rejects(source.copy({ times: 1000 }), status(400));
    await source.suspend(quick);
    await assert.rejects(source.copy(), status(400));
    await source.terminate();
  });
});
