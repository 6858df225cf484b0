import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sh, status, useCloud } from "./support.mjs";

const cloud = useCloud();

describe("the service", () => {
  it("lists what there is", async () => {
    const one = await cloud.create({ name: "listed" });
    const found = (await cloud.client().list()).filter((item) => item.name === "listed");
    assert.deepEqual(found.map((item) => [item.sandboxId, item.status]), [[one.sandboxId, "running"]]);
    await one.terminate();
  });

  it("has 404 for what it does not have", async () => {
    const client = cloud.client();
    await assert.rejects(client.get("nobody"), cloud.sdk.SandboxNotFoundError);
    await assert.rejects(client.delete("nobody"), cloud.sdk.SandboxNotFoundError);
    await assert.rejects(client.suspend("nobody"), cloud.sdk.SandboxNotFoundError);
    await assert.rejects(sh(await cloud.connect("nobody"), "true"));
  });

  it("tells why a sandbox cannot be made", async () => {
    await assert.rejects(cloud.create({ image: "no/such" }), /ImageNotFound|no image 'no\/such'/);
    await assert.rejects(cloud.create({ name: "Not A Name" }), status(400));
  });

  it("wants its key", async () => {
    const stranger = new cloud.sdk.SandboxClient({ apiUrl: cloud.url, apiKey: "wrong" }, true);
    await assert.rejects(stranger.list(), status(401));
  });
});
