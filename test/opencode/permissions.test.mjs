// OpenCode's permission questions, asked for what happens in the sandbox.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { World, eventually } from "./world.mjs";

describe("permission questions of a real OpenCode", () => {
  let world, opencode;
  before(async () => {
    world = await World.start({ options: { permission: { bash: { "*": "ask", "echo *": "allow" }, edit: "ask" } } });
    opencode = world.opencode;
  });
  after(() => world?.stop());

  /** Waits for the session's question and answers it. */
  async function answer(session, reply) {
    const question = await eventually("a question", async () =>
      (await opencode.request("GET", "/permission")).find(({ sessionID }) => sessionID === session));
    await opencode.request("POST", `/permission/${question.id}/reply`, reply);
    return question;
  }

  test("what the user's rules allow is not asked", async () => {
    const session = await opencode.newSession();
    const { state } = await opencode.callTool(session, "bash", { command: "echo free" });
    assert.equal(state.output, "free\n");
  });

  test("a command that is allowed once runs", async () => {
    const session = await opencode.newSession();
    const turn = opencode.callTool(session, "bash", { command: "git --version >/dev/null; touch /workspace/yes" });
    const question = await answer(session, { reply: "once" });
    assert.equal(question.permission, "bash");
    assert.deepEqual(question.patterns, ["git --version >/dev/null", "touch /workspace/yes"]);
    assert.deepEqual(question.always, ["git --version *", "touch *"]);
    assert.equal((await turn).state.status, "completed");
    assert.equal(await world.inSandbox(session, "ls"), "yes\n");
  });

  test("a path outside of the workspace is asked about first, by what is in the sandbox", async () => {
    const session = await opencode.newSession();
    await world.inSandbox(session, "mkdir -p /tmp/only-in-sandbox && touch /tmp/only-in-sandbox/file");
    const turn = opencode.callTool(session, "bash", { command: "cat /tmp/only-in-sandbox /tmp/only-in-sandbox/file" });
    const outside = await answer(session, { reply: "once" });
    assert.equal(outside.permission, "external_directory");
    assert.deepEqual(outside.patterns, ["/tmp/only-in-sandbox/*"]);
    assert.equal((await answer(session, { reply: "once" })).permission, "bash");
    await turn;
  });

  test("a rejection reaches the model in OpenCode's words, and ends the turn", async () => {
    const session = await opencode.newSession();
    const turn = opencode.callTool(session, "bash", { command: "touch no" });
    await answer(session, { reply: "reject" });
    const { state } = await turn;
    assert.equal(state.status, "error");
    assert.equal(state.error, "The user rejected permission to use this specific tool call.");
    const texts = (await opencode.messages(session)).flatMap(({ parts }) => parts).filter(({ type, text }) => type === "text" && text === "done");
    assert.deepEqual(texts, [], "the model was called again");
    assert.equal(await world.inSandbox(session, "ls"), "");
  });

  test("an edit is asked about by the bridge with its diff; a refusal with a reason lets the model go on", async () => {
    const session = await opencode.newSession();
    const turn = opencode.play(session, [
      { tools: [{ name: "write", args: { filePath: "a.txt", content: "new\n" } }] },
      { text: "the model goes on" },
    ]);
    const question = await answer(session, { reply: "reject", message: "not this file" });
    assert.equal(question.permission, "edit");
    assert.deepEqual(question.patterns, ["a.txt"]);
    assert.equal(question.metadata.filepath, "/workspace/a.txt");
    assert.match(question.metadata.diff, /^\+new$/m);
    const [{ state }] = await turn;
    assert.equal(
      state.error,
      "The user rejected permission to use this specific tool call with the following feedback: not this file",
    );
    const texts = (await opencode.messages(session)).flatMap(({ parts }) => parts).map(({ text }) => text);
    assert.ok(texts.includes("the model goes on"));
    assert.equal(await world.inSandbox(session, "ls"), "");
  });

  test("allowing always is remembered for the words that were offered", async () => {
    const session = await opencode.newSession();
    const first = opencode.callTool(session, "bash", { command: "mkdir one" });
    await answer(session, { reply: "always" });
    await first;
    const { state } = await opencode.callTool(session, "bash", { command: "mkdir two" });
    assert.equal(state.status, "completed", state.error);
  });
});
