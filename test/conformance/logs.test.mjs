import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { sh, status, until, useCloud } from "./support.mjs";

const cloud = useCloud();
const bodies = (response) => response.logs.map((entry) => entry.body);

describe("persisted logs", () => {
  let sandbox, client, id;

  before(async () => {
    client = cloud.client();
    sandbox = await cloud.create({ name: "logged" });
    id = sandbox.sandboxId;
  });

  it("hold what commands and processes print, and what became of them", async () => {
    await sh(sandbox, "echo to stdout; echo to stderr >&2; exit 3");
    const { pid } = await sandbox.startProcess("sh", { args: ["-c", "echo from a process"] });
    await until(async () => bodies(await client.getLogs(id)).includes("from a process"));
    const { logs } = await sandbox.getLogs();
    const [out] = logs.filter((entry) => entry.body === "to stdout");
    assert.equal(out.sandboxId, id);
    assert.equal(out.namespace, "default");
    assert.equal(out.level, 3);
    assert.ok(Math.abs(out.timestamp - Date.now()) < 600_000);
    assert.match(out.uuid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.deepEqual(out.resourceAttributes.find(([key]) => key === "stream"), ["stream", "stdout"]);
    assert.equal(logs.find((entry) => entry.body === "to stderr").level, 5);
    assert.ok(bodies({ logs }).includes("exited with code 3"));
    const printed = logs.find((entry) => entry.body === "from a process");
    assert.deepEqual(printed.resourceAttributes.find(([key]) => key === "process.pid"), ["process.pid", String(pid)]);
    assert.equal(new Set(logs.map((entry) => entry.uuid)).size, logs.length);
    assert.deepEqual(logs.map((entry) => entry.timestamp), logs.map((entry) => entry.timestamp).sort((a, b) => a - b));
  });

  it("hold what became of the sandbox", async () => {
    await sandbox.suspend({ pollInterval: 0.05, timeout: 30 });
    await sandbox.resume({ pollInterval: 0.05, timeout: 30 });
    const all = bodies(await client.getLogs(id));
    const places = ["created", "runs", "was suspended", "was resumed"].map((what) => all.indexOf(`the sandbox ${what}`.replace("sandbox created", "sandbox was created")));
    assert.ok(places.every((place, i) => place >= 0 && (i === 0 || place > places[i - 1])), String(places));
  });

  it("can be asked for a level, a process, a text, the first and the last", async () => {
    assert.deepEqual(bodies(await client.getLogs(id, { levels: ["error"] })), ["to stderr"]);
    assert.deepEqual(bodies(await client.getLogs(id, { levels: ["error", "fatal"], body: "nothing like it" })), []);
    assert.deepEqual(bodies(await client.getLogs(id, { body: "a proc" })), ["from a process"]);

    const { processes } = await client.listLogProcesses(id);
    const one = processes.find((process) => process.processCommand.includes("from a process"));
    assert.deepEqual(bodies(await client.getLogs(id, { processIds: [one.processId] })), ["started", "from a process", "exited with code 0"]);
    assert.equal(one.logCount, 3);
    assert.ok(one.firstSeen <= one.lastSeen);
    assert.match(one.processPid, /^\d+$/);

    const all = bodies(await client.getLogs(id));
    assert.deepEqual(bodies(await client.getLogs(id, { head: 2 })), all.slice(0, 2));
    assert.deepEqual(bodies(await client.getLogs(id, { tail: 2 })), all.slice(-2));
  });

  it("can be read page by page", async () => {
    const all = bodies(await client.getLogs(id));
    const read = [];
    for (let nextToken; ; ) {
      const page = await client.getLogs(id, { head: 3, nextToken });
      read.push(...bodies(page));
      nextToken = page.nextToken;
      if (!nextToken) break;
    }
    assert.deepEqual(read, all);
    await assert.rejects(client.getLogs(id, { nextToken: "§" }), status(400));
  });

  it("stay bounded under a process that prints without end, which says what is left out", async () => {
    const { processes: before } = await client.listLogProcesses(id);
    await sh(sandbox, "yes 'a line of some length, again and again and again' | head -n 400000");
    const { processes } = await client.listLogProcesses(id);
    const noisy = processes.find((one) => !before.some((other) => other.processId === one.processId));
    const noted = await client.getLogs(id, { processIds: [noisy.processId], body: "left out here" });
    assert.ok(noted.logs.length >= 1);
    // What others printed before it is still there.
    assert.deepEqual(bodies(await client.getLogs(id, { body: "a proc" })), ["from a process"]);

    for (let i = 0; i < 12; i++) await sh(sandbox, "yes 'a line of some length, again and again and again' | head -n 4000");
    const folder = join(cloud.dir, "logs");
    const size = readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
    assert.ok(size > 512 << 10 && size < 1200 << 10, String(size));
    // The last of it all, whole; also after the files have taken turns.
    assert.deepEqual(bodies(await client.getLogs(id, { tail: 1 })), ["exited with code 0"]);
    await sh(sandbox, "echo after the flood");
    const [last] = (await client.getLogs(id, { body: "after the flood" })).logs;
    assert.match(JSON.stringify(last.resourceAttributes), /echo after the flood/);
  });

  it("survive the death of the server, and go on in between", async () => {
    await sandbox.startProcess("sh", { args: ["-c", "sleep 0.3; echo while the server was dead"] });
    await cloud.killAndRestart();
    client = cloud.client();
    sandbox = await cloud.connect("logged");
    await until(async () => bodies(await client.getLogs(id, { body: "while the server" })).length === 1);
    assert.equal(bodies(await client.getLogs(id, { body: "after the flood" })).length, 1);
  });

  it("outlive the sandbox", async () => {
    await client.delete(id);
    const last = bodies(await client.getLogs(id, { tail: 20 }));
    assert.ok(last.includes("while the server was dead"));
    assert.ok(last.some((body) => body.startsWith("the sandbox was terminated")));
    assert.ok((await client.listLogProcesses(id)).processes.length > 3);
  });

  it("are 404 for a sandbox that never was", async () => {
    await assert.rejects(client.getLogs("nobody"), cloud.sdk.SandboxNotFoundError);
    await assert.rejects(client.listLogProcesses("nobody"), cloud.sdk.SandboxNotFoundError);
  });

  it("are out of the sandbox's reach", async () => {
    const other = await cloud.create();
    const result = await sh(other, "ls -l /proc/self/fd /proc/1/fd 2>&1; mount");
    assert.ok(!result.stdout.includes("/logs/"), result.stdout);
  });
});
