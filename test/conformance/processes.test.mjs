import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { bytes, until, useCloud } from "./support.mjs";

const cloud = useCloud();

describe("processes", () => {
  let sandbox;

  before(async () => {
    sandbox = await cloud.create({ name: "processes" });
  });

  it("take input and can be followed", async () => {
    const { pid } = await sandbox.startProcess("cat", { stdinMode: "pipe" });
    await sandbox.writeStdin(pid, bytes("one\ntwo\n"));
    await sandbox.closeStdin(pid);
    const lines = [];
    for await (const event of sandbox.followOutput(pid)) lines.push(event.line);
    assert.deepEqual(lines, ["one", "two"]);
  });

  it("take signals", async () => {
    const sleeper = await sandbox.startProcess("sleep", { args: ["600"] });
    assert.equal((await sandbox.getProcess(sleeper.pid)).status, "running");
    await sandbox.sendSignal(sleeper.pid, 15);
    await until(async () => (await sandbox.getProcess(sleeper.pid)).status === "signaled");
  });
});
