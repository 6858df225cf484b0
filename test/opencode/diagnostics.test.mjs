// Errors that a language server in the sandbox finds, in a real OpenCode.
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./world.mjs";

const PATH = "/workspace/main.c";

test("the model is told of the errors in what it has written, and a clean file is quiet", async () => {
  const world = await World.start();
  try {
    const session = await world.opencode.newSession();
    // Where the machine is busy, clangd may be late for the first calls.
    let state;
    for (let attempt = 0; attempt < 8 && !state?.output.includes("<diagnostics"); attempt++) {
      const content = `int main(void) {\n  return missing${attempt};\n}\n`;
      ({ state } = await world.opencode.callTool(session, "write", { filePath: PATH, content }));
    }
    const block = `<diagnostics file="${PATH}">\nERROR [2:10] Use of undeclared identifier 'NAME'\n</diagnostics>`;
    const wanted = `Wrote file successfully.\n\nLSP errors detected in this file, please fix:\n${block}`;
    assert.equal(state.output.replace(/missing\d/, "NAME"), wanted);
    const [{ severity, range }] = state.metadata.diagnostics[PATH];
    assert.deepEqual([severity, range.start], [1, { line: 1, character: 9 }]);
    const { messages } = world.requests().findLast((request) => request.messages.some(({ role }) => role === "tool"));
    assert.equal(messages.findLast(({ role }) => role === "tool").content, state.output);

    const name = /missing\d/.exec(state.output)[0];
    const edit = { filePath: PATH, oldString: name, newString: "0" };
    const edited = await world.opencode.callTool(session, "edit", edit);
    assert.equal(edited.state.output, "Edit applied successfully.");
    assert.deepEqual(edited.state.metadata.diagnostics[PATH] ?? [], []);

    const json = JSON.stringify({ filePath: PATH, content: "int x = missing;\n" });
    const quiet = await world.sandbridge("tool", "write", "--session", session, "--no-diagnostics", json);
    assert.equal(JSON.parse(quiet.stdout).output, "Wrote file successfully.");
    assert.deepEqual(world.hostFiles(), []);
  } finally {
    await world.stop();
  }
});

test("OpenCode's own `lsp: false` says that nobody wants to be told", async () => {
  const world = await World.start({ config: { lsp: false } });
  try {
    const session = await world.opencode.newSession();
    const call = { filePath: PATH, content: "int x = missing;\n" };
    const { state } = await world.opencode.callTool(session, "write", call);
    assert.equal(state.output, "Wrote file successfully.");
    assert.deepEqual(state.metadata.diagnostics, {});
    // No server was started either.
    assert.equal(await world.inSandbox(session, "ls -d /tmp/.sandbridge/servers-* 2>/dev/null || echo none"), "none\n");
  } finally {
    await world.stop();
  }
});
