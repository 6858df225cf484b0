import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { sh, status, useCloud } from "./support.mjs";

const cloud = useCloud();

describe("files", () => {
  let sandbox;

  before(async () => {
    sandbox = await cloud.create({ name: "files" });
  });

  it("are written, read, listed and deleted, whatever their names and bytes", async () => {
    const path = "/workspace/deep/er/a b+c&d%20é.bin";
    const content = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) % 256);
    await sandbox.writeFile(path, content);
    assert.deepEqual(new Uint8Array(await sandbox.readFile(path)), content);
    await sh(sandbox, ": > /workspace/deep/er/empty");
    assert.equal((await sandbox.readFile("/workspace/deep/er/empty")).length, 0);
    const { entries } = await sandbox.listDirectory("/workspace/deep/er");
    assert.deepEqual(entries.map((entry) => [entry.name, entry.isDir, entry.size]), [
      ["a b+c&d%20é.bin", false, 300_000],
      ["empty", false, 0],
    ]);
    await sandbox.deleteFile(path);
    await assert.rejects(sandbox.readFile(path), status(404));
  });

  it("cannot be uploaded empty, which this SDK sends without a length: the service is as strict", async () => {
    await assert.rejects(sandbox.writeFile("/workspace/none", new Uint8Array()), status(411));
  });

  it("may be larger than any buffer on the way", async () => {
    const content = new Uint8Array(24 << 20).fill(0x61);
    await sandbox.writeFile("/workspace/large", content);
    assert.equal((await sh(sandbox, "wc -c < /workspace/large")).stdout.trim(), String(content.length));
    assert.ok(Buffer.from(await sandbox.readFile("/workspace/large")).equals(Buffer.from(content)));
  });

  it("are refused on paths that climb, and where there are none", async () => {
    await assert.rejects(sandbox.readFile("/workspace/../etc/passwd"), status(403));
    await assert.rejects(sandbox.readFile("/workspace/missing"), status(404));
    await assert.rejects(sandbox.readFile("/workspace"), status(400));
    await assert.rejects(sandbox.listDirectory("/workspace/missing"), status(404));
    await assert.rejects(sandbox.deleteFile("/workspace/missing"), status(404));
  });
});
