import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { sh, status, until, useCloud } from "./support.mjs";

const cloud = useCloud();
const pool = { image: "tensorlake/ubuntu-minimal", cpus: 1, memoryMb: 256, timeoutSecs: 600 };

describe("a pool", () => {
  let client, poolId;

  const idle = async () => (await client.getPool(poolId)).containers.filter((one) => one.state === "Idle");
  const running = async () => (await client.getPool(poolId)).containers.filter((one) => one.state === "Running");

  before(async () => {
    client = cloud.client();
    const created = await client.createPool({ ...pool, maxContainers: 3, warmContainers: 1 });
    assert.equal(created.namespace, "default");
    poolId = created.poolId;
  });

  it("is described as it was made, and listed", async () => {
    const info = await client.getPool(poolId);
    assert.equal(info.poolId, poolId);
    assert.equal(info.namespace, "default");
    assert.equal(info.image, pool.image);
    assert.equal(info.resources.memoryMb, 256);
    assert.equal(info.resources.ephemeralDiskMb, 1024);
    assert.equal(info.timeoutSecs, 600);
    assert.equal(info.maxContainers, 3);
    assert.equal(info.warmContainers, 1);
    assert.ok(Math.abs(info.createdAt.getTime() - Date.now()) < 600_000);
    assert.deepEqual((await client.listPools()).map((one) => one.poolId), [poolId]);
  });

  it("holds a warm container that is no sandbox yet", async () => {
    await until(async () => (await idle()).length === 1);
    const [container] = await idle();
    assert.equal(container.sandboxId, undefined);
    assert.deepEqual([...(await client.list())], []);
    await assert.rejects(client.get(container.id), cloud.sdk.SandboxNotFoundError);
  });

  it("gives a running sandbox to who claims one, and warms another", async () => {
    const [container] = await idle();
    const sandbox = await cloud.create({ poolId });
    const info = await sandbox.info();
    assert.equal(info.status, "running");
    assert.equal(info.poolId, poolId);
    assert.equal((await sh(sandbox, "echo claimed > /workspace/x; cat /workspace/x")).stdout, "claimed");
    await until(async () => (await idle()).length === 1);
    assert.notEqual((await idle())[0].id, container.id);
    assert.deepEqual((await running()).map((one) => one.sandboxId), [info.sandboxId]);
  });

  it("lets its sandboxes be named, and then suspended", async () => {
    const { sandboxId } = await client.claim(poolId);
    const sandbox = await cloud.connect(sandboxId);
    await sandbox.update({ name: "from-a-pool" });
    await sandbox.suspend({ pollInterval: 0.05, timeout: 30 });
    assert.equal(await sandbox.status(), "suspended");
    assert.equal((await sh(await cloud.connect("from-a-pool"), "echo awake")).stdout, "awake");
  });

  it("does not pass its maximum: a claim waits until it gives up", async () => {
    await until(async () => (await idle()).length === 1);
    await client.claim(poolId);
    assert.equal((await running()).length, 3);
    assert.equal((await idle()).length, 0);
    await assert.rejects(cloud.create({ poolId, requestTimeout: 2 }), /did not start within 2s/);
  });

  it("survives the death of the server, with what is warm and what is claimed", async () => {
    await client.updatePool(poolId, { ...pool, warmContainers: 2 });
    await until(async () => (await idle()).length === 2);
    const before = await client.getPool(poolId);
    await cloud.killAndRestart();
    client = cloud.client();
    const after = await client.getPool(poolId);
    const byId = (a, b) => (a.id < b.id ? -1 : 1);
    assert.deepEqual(after.containers.sort(byId), before.containers.sort(byId));
    assert.deepEqual({ ...after, containers: [] }, { ...before, containers: [] });
    assert.equal(after.maxContainers, undefined);
    const claimed = await client.claim(poolId);
    assert.ok(before.containers.some((one) => one.id === claimed.sandboxId && one.state === "Idle"));
    assert.equal((await sh(await cloud.connect(claimed.sandboxId), "echo alive")).stdout, "alive");
  });

  it("cleans up a container whose start the server did not survive", async () => {
    await client.updatePool(poolId, { ...pool, warmContainers: 6 });
    await until(async () => (await idle()).length > 2);
    await cloud.killAndRestart(); // most likely in the middle of a start
    client = cloud.client();
    await until(async () => (await idle()).length === 6);
    for (const { id } of await idle()) {
      const claimed = await client.claim(poolId);
      assert.equal(claimed.status, "running", id);
      assert.equal((await sh(await cloud.connect(claimed.sandboxId), "echo alive")).stdout, "alive");
    }
  });

  it("is not deleted while it is in use", async () => {
    await assert.rejects(client.deletePool(poolId), cloud.sdk.PoolInUseError);
    for (const one of await running()) await client.delete(one.sandboxId);
    await client.deletePool(poolId);
    await assert.rejects(client.getPool(poolId), cloud.sdk.PoolNotFoundError);
    assert.deepEqual([...(await client.listPools())], []);
  });
});

describe("pools", () => {
  it("that are not there are not found", async () => {
    const client = cloud.client();
    await assert.rejects(client.getPool("nothing"), cloud.sdk.PoolNotFoundError);
    await assert.rejects(client.claim("nothing"), cloud.sdk.PoolNotFoundError);
    await assert.rejects(client.deletePool("nothing"), cloud.sdk.PoolNotFoundError);
    await assert.rejects(client.updatePool("nothing", pool), cloud.sdk.PoolNotFoundError);
  });

  it("of an image that is not there are refused", async () => {
    await assert.rejects(cloud.client().createPool({ ...pool, image: "no/such" }), status(400));
  });

  it("start their entrypoint before the claim", async () => {
    const client = cloud.client();
    const entrypoint = ["sh", "-c", "echo up > /tmp/up; sleep 600"];
    const { poolId } = await client.createPool({ ...pool, entrypoint, warmContainers: 1 });
    await until(async () => (await client.getPool(poolId)).containers.some((one) => one.state === "Idle"));
    const sandbox = await cloud.create({ poolId });
    await until(async () => (await sh(sandbox, "cat /tmp/up")).stdout === "up");
    await sandbox.terminate();
    await client.deletePool(poolId);
  });
});
