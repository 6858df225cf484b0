// What a sandbox reaches: off, lists of allowed and denied addresses, and changes while it runs.

import assert from "node:assert/strict";
import net from "node:net";
import os from "node:os";
import { after, before, describe, it } from "node:test";

import { quick, sh, status, useCloud } from "./support.mjs";

const cloud = useCloud();

const OPEN = { allow_internet_access: true, allow_out: [], deny_out: [] };

// The SDK drops `network` from updates.
async function patch(id, network) {
  const answer = await fetch(`${cloud.url}/v1/namespaces/default/sandboxes/${id}`, {
    method: "PATCH",
    headers: { authorization: `Bearer ${cloud.key}`, "content-type": "application/json" },
    body: JSON.stringify({ network }),
  });
  return { status: answer.status, json: await answer.json() };
}

async function interfaces(sandbox) {
  const { stdout } = await sh(sandbox, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort");
  return stdout.split("\n");
}

describe("the network of a sandbox", () => {
  it("can be off", async () => {
    const sandbox = await cloud.create({ allowInternetAccess: false });
    assert.equal((await sandbox.info()).network.allowInternetAccess, false);
    assert.deepEqual(await interfaces(sandbox), ["lo"]);
    await sandbox.terminate();
  });

  it("has the lists that it was made with", async () => {
    const sandbox = await cloud.create({ allowOut: ["203.0.113.0/24"], denyOut: ["203.0.113.7"] });
    const { network } = await sandbox.info();
    assert.deepEqual([network.allowInternetAccess, network.allowOut, network.denyOut], [true, ["203.0.113.0/24"], ["203.0.113.7"]]);
    await sandbox.terminate();
  });

  it("is changed while the sandbox runs, kept when nothing is said of it, and cleared by null", async () => {
    const sandbox = await cloud.create({ name: "changes", allowInternetAccess: false });
    const id = (await sandbox.info()).sandboxId;
    const listed = { allow_internet_access: true, allow_out: ["203.0.113.1"], deny_out: [] };
    const changed = await patch(id, listed);
    assert.equal(changed.status, 200);
    assert.deepEqual(changed.json.network, listed);
    assert.deepEqual(await interfaces(sandbox), ["lo", "tap0"]);
    await cloud.client().update(id, { name: "changed" });
    assert.deepEqual((await sandbox.info()).network.allowOut, ["203.0.113.1"]);
    assert.deepEqual((await patch(id, null)).json.network, OPEN);
    await sandbox.terminate();
  });

  it("is not left open where a list cannot be enforced", async () => {
    await assert.rejects(cloud.create({ denyOut: ["example.com"] }), status(501));
    const sandbox = await cloud.create({ allowInternetAccess: false });
    const id = (await sandbox.info()).sandboxId;
    const refused = await patch(id, { allow_out: ["169.254.169.254"] });
    assert.deepEqual([refused.status, refused.json.code], [501, "NETWORK_POLICY_NOT_ENFORCED"]);
    assert.equal((await sandbox.info()).network.allowInternetAccess, false);
    await sandbox.terminate();
  });
});

// A server on an address of this machine that is not its loopback: what a sandbox reaches when a list names it.
const own = Object.values(os.networkInterfaces()).flat().find((one) => one.family === "IPv4" && !one.internal)?.address;

describe("a server outside", { skip: own ? false : "this machine has no address but its loopback" }, () => {
  let server, sandbox, id;

  const reached = async () => {
    const connect = `timeout 5 bash -c 'exec 3<>/dev/tcp/${own}/${server.address().port}'`;
    return (await sh(sandbox, `${connect} 2>/dev/null && echo yes || echo no`)).stdout.trim();
  };

  before(async () => {
    server = net.createServer((socket) => socket.end());
    await new Promise((resolve) => server.listen(0, own, resolve));
    sandbox = await cloud.create({ name: "outside", allowOut: [own], timeoutSecs: 600 });
    id = (await sandbox.info()).sandboxId;
  });
  after(() => server?.close());

  it("is reached when a list names it, and not when the list that denies it does, too", async () => {
    assert.equal(await reached(), "yes");
    await patch(id, { allow_out: [own], deny_out: [own] });
    assert.equal(await reached(), "no");
    await patch(id, { allow_out: ["203.0.113.1"] });
    assert.equal(await reached(), "no");
  });

  it("is this machine, which is closed unless it is named", async () => {
    await patch(id, null);
    assert.equal(await reached(), "no");
    await patch(id, { allow_out: ["0.0.0.0/0", own] });
    assert.equal(await reached(), "yes");
  });

  it("is reached or not after suspend and resume, from a copy, and after the death of the server, as before", async () => {
    await patch(id, { allow_internet_access: false });
    await sandbox.suspend(quick);
    await patch(id, { allow_out: [own] });
    await sandbox.resume(quick);
    assert.equal(await reached(), "yes");

    const original = sandbox;
    const copies = await original.copy({ times: 1 });
    sandbox = await cloud.connect(copies.sandboxes[0].sandboxId);
    assert.equal(await reached(), "yes");
    await sandbox.terminate();
    sandbox = original;

    await patch(id, { deny_out: [own] });
    await cloud.killAndRestart();
    sandbox = await cloud.connect(id);
    assert.equal(await reached(), "no");
    await patch(id, { allow_out: [own] });
    assert.equal(await reached(), "yes");
  });
});
