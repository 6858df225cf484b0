import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { status, useCloud } from "./support.mjs";

const cloud = useCloud();

describe("archived sandboxes", () => {
  const ids = [];
  let live;

  before(async () => {
    for (let i = 0; i < 5; i++) ids.push((await cloud.create({ name: `ended-${i}` })).sandboxId);
    for (const id of ids) await cloud.client().delete(id);
    live = await cloud.create({ name: "live" });
  });

  it("are those that have ended, newest first, with the time they were archived", async () => {
    const { sandboxes } = await cloud.client().listArchived();
    assert.deepEqual(sandboxes.map((one) => one.sandboxId), ids.toReversed());
    assert.deepEqual(new Set(sandboxes.map((one) => one.status)), new Set(["terminated"]));
    assert.ok(sandboxes.every((one) => Math.abs(one.archivedAt.getTime() - Date.now()) < 600_000));
  });

  it("are read page by page, forward and back", async () => {
    const client = cloud.client();
    const first = await client.listArchived({ limit: 2 });
    assert.deepEqual(first.sandboxes.map((one) => one.name), ["ended-4", "ended-3"]);
    assert.ok(!first.prevCursor);
    const second = await client.listArchived({ limit: 2, cursor: first.nextCursor });
    assert.deepEqual(second.sandboxes.map((one) => one.name), ["ended-2", "ended-1"]);
    const last = await client.listArchived({ limit: 2, cursor: second.nextCursor, direction: "forward" });
    assert.deepEqual(last.sandboxes.map((one) => one.name), ["ended-0"]);
    assert.ok(!last.nextCursor);
    const back = await client.listArchived({ limit: 2, cursor: last.prevCursor, direction: "backward" });
    assert.deepEqual(back.sandboxes.map((one) => one.name), ["ended-2", "ended-1"]);
    await assert.rejects(client.listArchived({ cursor: "abc" }), status(400));
  });

  it("are found by id; the living are not", async () => {
    const one = await cloud.client().getArchived(ids[0]);
    assert.equal(one.sandboxId, ids[0]);
    assert.equal(one.name, "ended-0");
    assert.equal(one.terminationReason, "UserRequested");
    assert.ok(one.archivedAt >= one.createdAt);
    await assert.rejects(cloud.client().getArchived(live.sandboxId), cloud.sdk.SandboxNotFoundError);
    await assert.rejects(cloud.client().getArchived("nobody"), cloud.sdk.SandboxNotFoundError);
  });

  it("survive the death of the server", async () => {
    await cloud.killAndRestart();
    const { sandboxes } = await cloud.client().listArchived();
    assert.deepEqual(sandboxes.map((one) => one.sandboxId), ids.toReversed());
  });
});
