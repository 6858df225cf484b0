// Which sandbox a session has, and what becomes of it.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { World, eventually } from "./world.mjs";

describe("sessions of a real OpenCode", () => {
  let world, opencode;
  before(async () => {
    const template = "Say it: !`touch templated; pwd`";
    world = await World.start({ config: { command: { leak: { template } } } });
    opencode = world.opencode;
  });
  after(() => world?.stop());
  afterEach(() => assert.deepEqual(world.hostFiles(), [], "something appeared on the host"));

  const bash = (command) => ({ tools: [{ name: "bash", args: { command } }] });

  test("two sessions do not see each other's files", async () => {
    const [one, other] = [await opencode.newSession(), await opencode.newSession()];
    await opencode.play(one, [bash("echo mine > secret"), { text: "done" }]);
    const { state } = await opencode.callTool(other, "bash", { command: "ls -A" });
    assert.equal(state.output, "(no output)");
  });

  test("a sub-agent works in the sandbox of the session that called it", async () => {
    const session = await opencode.newSession();
    const script = JSON.stringify([bash("cat from-root; echo child > from-child"), { text: "child is done" }]);
    const parts = await opencode.play(session, [
      bash("echo root > from-root"),
      { tools: [{ name: "task", args: { description: "child", prompt: `SCRIPT:${script}`, subagent_type: "general" } }] },
      bash("cat from-child"),
      { text: "done" },
    ]);
    assert.match(parts[1].state.output, /child is done/);
    assert.equal(parts[2].state.output, "child\n");
    const [child] = await opencode.children(session);
    const [call] = await opencode.toolParts(child.id);
    assert.equal(call.state.output, "root\n");
    const sandboxes = await world.sessions();
    assert.equal(sandboxes.filter(({ id }) => id === session).length, 1);
    assert.equal(sandboxes.filter(({ id }) => id === child.id).length, 0);

    // Deleting the child leaves the sandbox to its root.
    await opencode.request("DELETE", `/session/${child.id}`);
    const { state } = await opencode.callTool(session, "bash", { command: "cat from-root" });
    assert.equal(state.output, "root\n");
  });

  test("deleting a session removes its sandbox", async () => {
    const session = await opencode.newSession();
    await opencode.play(session, [bash("echo x > y"), { text: "done" }]);
    assert.ok((await world.sessions()).some(({ id }) => id === session));
    await opencode.request("DELETE", `/session/${session}`);
    await eventually("the sandbox is gone", async () => !(await world.sessions()).some(({ id }) => id === session));
  });

  test("the bridge is killed and started again: the next call finds the same files, and the user is told", async () => {
    const session = await opencode.newSession();
    await opencode.play(session, [bash("echo kept > file; sleep 999 </dev/null >/dev/null 2>&1 & echo $! > pid"), { text: "done" }]);
    await world.bridge.stop("SIGKILL");
    await eventually("the user is told that the bridge is away", () => opencode.toasts().includes("Bridge not reachable"));
    await world.startBridge();
    const { state } = await opencode.callTool(session, "bash", { command: 'cat file; kill -0 "$(cat pid)" && echo alive' });
    assert.equal(state.status, "completed", state.error);
    assert.equal(state.output, "kept\nalive\n");
    await eventually("the user is told that the bridge is back", () => opencode.toasts().includes("Bridge reconnected"));
  });

  test("the user is told of a new sandbox", async () => {
    const before = opencode.toasts().length;
    const session = await opencode.newSession();
    await opencode.play(session, [bash("true"), { text: "done" }]);
    await eventually("a toast", () => opencode.toasts().slice(before).includes("Sandbox created"));
  });

  test("a suspended sandbox is resumed by the next call, and the user is told", async () => {
    const session = await opencode.newSession();
    await opencode.play(session, [bash("echo slept > file"), { text: "done" }]);
    const { code, stderr } = await world.sandbridge("suspend", "--session", session);
    assert.equal(code, 0, stderr);
    const before = opencode.toasts().length;
    const { state } = await opencode.callTool(session, "bash", { command: "cat file" });
    assert.equal(state.output, "slept\n");
    await eventually("a toast", () => opencode.toasts().slice(before).includes("Sandbox resumed"));
  });

  test("!command runs in the session's sandbox, not on the host", async () => {
    const session = await opencode.newSession();
    const run = async (command) =>
      (await opencode.request("POST", `/session/${session}/shell`, { agent: "build", command })).parts[0].state.output;
    assert.equal(await run("echo typed > typed.txt; cat typed.txt; pwd; hostname -f >/dev/null"), "typed\n/workspace\n");
    assert.equal(await world.inSandbox(session, "cat /workspace/typed.txt"), "typed\n");
    // A shell on the host would find this file.
    assert.match(await run(`cat ${world.tokenFile}`), /No such file/);
  });

  test("the commands of a template run in the sandbox of the session that it is called in, and in no other", async () => {
    const [session, other] = [await opencode.newSession(), await opencode.newSession()];
    for (const id of [session, other]) await world.inSandbox(id, "true");
    await opencode.request("POST", `/session/${session}/command`, { command: "leak", arguments: "" });
    const prompts = world.requests().flatMap(({ messages }) => messages).filter(({ role }) => role === "user");
    const texts = prompts.map(({ content }) => (typeof content === "string" ? content : JSON.stringify(content)));
    assert.equal(texts.find((text) => text.includes("Say it:")), "Say it: /workspace");
    assert.equal(await world.inSandbox(session, "ls"), "templated\n");
    assert.equal(await world.inSandbox(other, "ls"), "");
  });

  test("a terminal, which would be on the host, is refused", async () => {
    await assert.rejects(opencode.request("POST", "/pty", { command: "/bin/sh", args: ["-c", "touch leaked"] }));
  });

  test("two directories of one OpenCode share one connection to the bridge", async () => {
    const directory = join(world.directory, "second");
    mkdirSync(directory);
    const headers = { "x-opencode-directory": directory };
    const session = (await opencode.request("POST", "/session", {}, headers)).id;
    const { state } = await opencode.callTool(session, "bash", { command: "pwd" }, { headers });
    assert.equal(state.output, "/workspace\n");
    const port = Number(world.bridgeAddress.split(":").at(-1)).toString(16).toUpperCase().padStart(4, "0");
    const ESTABLISHED = "01";
    // Only the side that connected has the bridge's port as the remote one. The command-line client has ended.
    const connections = readFileSync("/proc/net/tcp", "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , remote, state]) => remote?.endsWith(`:${port}`) && state === ESTABLISHED);
    assert.equal(connections.length, 1);
  });
});
