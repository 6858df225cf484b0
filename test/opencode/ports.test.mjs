// Ports that begin to be open in a session's sandbox: the user is told at once, the model with the next prompt.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { World, eventually } from "./world.mjs";

describe("ports in the sandbox of a real OpenCode", () => {
  let world, opencode;
  before(async () => {
    world = await World.start();
    opencode = world.opencode;
  });
  after(() => world?.stop());
  afterEach(() => assert.deepEqual(world.hostFiles(), [], "something appeared on the host"));

  const toastsOf = (port) =>
    opencode.events.filter(({ type, properties }) => type === "tui.toast.show" && properties.title === `Port ${port} is open`);
  const isTold = (port) => eventually(`the user is told of port ${port}`, () => toastsOf(port)[0]);

  /** What the model was sent with the last prompt of the user. */
  const lastPrompt = () => {
    const { messages } = world.requests().findLast(({ tools }) => tools?.length);
    const { content } = messages.findLast(({ role }) => role === "user");
    return typeof content === "string" ? content : content.map(({ text }) => text).join("\n");
  };

  test("a server that a command leaves behind is told of once, and bash says what OpenCode's would", async () => {
    const session = await opencode.newSession();
    const { state } = await opencode.callTool(session, "bash", {
      command: "python3 -m http.server 8000 </dev/null >/dev/null 2>&1 &",
    });
    assert.equal(state.output, "(no output)");
    assert.deepEqual(Object.keys(state.metadata).sort(), ["exit", "output", "truncated"]);
    const { properties } = await isTold(8000);
    assert.match(properties.message, /^A program in the sandbox listens on port 8000\. .*preview_url/);

    await opencode.play(session, [{ text: "done" }]);
    assert.match(lastPrompt(), /begun to listen on port 8000\. [^]*preview_url/);
    await opencode.callTool(session, "bash", { command: "python3 -m http.server 8001 </dev/null >/dev/null 2>&1 &" });
    await isTold(8001);
    await opencode.play(session, [{ text: "done" }]);
    assert.match(lastPrompt(), /begun to listen on port 8001\. /, "each is told once");
    await opencode.play(session, [{ text: "done" }]);
    assert.doesNotMatch(lastPrompt(), /begun to listen/);
    assert.equal(toastsOf(8000).length, 1);
  });

  test("a server in the foreground is told of while its command runs", async () => {
    const session = await opencode.newSession();
    const call = opencode.callTool(session, "bash", { command: "python3 -m http.server 8002; echo over" });
    await isTold(8002);
    await world.inSandbox(session, "pkill -f '^python3 -m http.server 8002'");
    assert.match((await call).state.output, /over\n$/);
  });

  test("a server that process starts, and that begins to listen later, is told of", async () => {
    const session = await opencode.newSession();
    await opencode.callTool(session, "process", { action: "start", command: "sleep 2; exec python3 -m http.server 8003" });
    await isTold(8003);
  });
});
