// Background processes of a session, which outlive calls, OpenCode and the bridge.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { World, eventually } from "./world.mjs";

describe("background processes of a real OpenCode", () => {
  let world;
  const options = { permission: { bash: { "*": "ask", "echo *": "allow", "read *": "allow", "sleep *": "allow" } } };
  before(async () => {
    world = await World.start({ options });
  });
  after(() => world?.stop());
  afterEach(() => assert.deepEqual(world.hostFiles(), [], "something appeared on the host"));

  const call = async (session, args) => (await world.opencode.callTool(session, "process", args)).state;

  /** What the model was sent with the last prompt of the user. */
  const lastPrompt = () => {
    const { messages } = world.requests().findLast(({ tools }) => tools?.length);
    const content = messages.findLast(({ role }) => role === "user").content;
    return typeof content === "string" ? content : content.map(({ text }) => text).join("\n");
  };

  test("a process is started, given input, read and killed; starting and typing ask as bash does", async () => {
    const session = await world.opencode.newSession();
    const started = await call(session, { action: "start", command: "while read -r line; do echo \"<$line>\"; done" });
    assert.equal(started.status, "completed", started.error);
    assert.equal(started.metadata.running, true);
    const turn = call(session, { action: "input", id: 1, input: "hello\n", wait: 10_000 });
    const question = await eventually("a question", async () =>
      (await world.opencode.request("GET", "/permission")).find(({ sessionID }) => sessionID === session));
    assert.equal(question.permission, "bash");
    assert.deepEqual(question.patterns, ["hello"]);
    await world.opencode.request("POST", `/permission/${question.id}/reply`, { reply: "once" });
    assert.match((await turn).output, /<output from="0" to="8">\n<hello>\n<\/output>/);
    const read = await call(session, { action: "output", id: 1, offset: 1 });
    assert.match(read.output, /<output from="1" to="8">\nhello>\n/);
    const killed = await call(session, { action: "kill", id: 1 });
    assert.match(killed.output, /^Process 1 \(exited with code 143\): /);

    const refused = call(session, { action: "start", command: "touch /workspace/no" });
    const asked = await eventually("a question", async () =>
      (await world.opencode.request("GET", "/permission")).find(({ sessionID }) => sessionID === session));
    assert.deepEqual([asked.permission, asked.patterns], ["bash", ["touch /workspace/no"]]);
    await world.opencode.request("POST", `/permission/${asked.id}/reply`, { reply: "reject" });
    assert.equal((await refused).status, "error");
    assert.equal(await world.inSandbox(session, "ls"), "");
  });

  test("a process goes on when OpenCode and the bridge are started again, and the model is told of it", async () => {
    const session = await world.opencode.newSession();
    await call(session, { action: "start", command: "while sleep 0.1; do echo tick; done" });
    const ticks = async () => Number((await world.sandbridge("tool", "process", "--session", session, '{"action":"list"}'))
      .stdout.match(/"end":(\d+)/)[1]);
    await world.opencode.play(session, [{ text: "done" }]);
    assert.doesNotMatch(lastPrompt(), /This session goes on/, "the model that started it knows it");

    await world.opencode.stop();
    await world.useOpenCode({ options });
    const before = await ticks();
    await world.opencode.play(session, [{ text: "done" }]);
    assert.match(lastPrompt(), /This session goes on[^]*\nProcess 1 \(running, \d+ bytes of output\): while sleep 0.1/);
    await eventually("it goes on", async () => (await ticks()) > before);
    const requests = world.requests().length;
    await world.opencode.play(session, [{ text: "done" }]);
    assert.ok(world.requests().length > requests);
    assert.doesNotMatch(lastPrompt(), /This session goes on/, "once is enough");

    await world.bridge.stop("SIGKILL");
    await world.startBridge();
    await eventually("it is listed again", async () => {
      await world.opencode.play(session, [{ text: "done" }]);
      return /This session goes on[^]*Process 1 \(running/.test(lastPrompt());
    });
    const killed = await call(session, { action: "kill", id: 1 });
    assert.match(killed.output, /^Process 1 \(exited with code 143\): /);
  });
});
