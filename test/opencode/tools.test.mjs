// Every tool through OpenCode's own HTTP interface, in a real sandbox.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { World, eventually } from "./world.mjs";

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

describe("tools of a real OpenCode", () => {
  let world, opencode;
  before(async () => {
    // Paths outside of the workspace would be asked about.
    world = await World.start({ options: { permission: { external_directory: "allow" } } });
    opencode = world.opencode;
  });
  after(() => world?.stop());
  afterEach(() => assert.deepEqual(world.hostFiles(), [], "something appeared on the host"));

  test("write, read, edit, glob, grep and bash act on the files of the session's sandbox", async () => {
    const session = await opencode.newSession();
    const parts = await opencode.play(session, [
      { tools: [{ name: "write", args: { filePath: "/workspace/src/a.txt", content: "alpha\nbeta\n" } }] },
      { tools: [{ name: "read", args: { filePath: "/workspace/src/a.txt" } }] },
      { tools: [{ name: "edit", args: { filePath: "src/a.txt", oldString: "beta", newString: "gamma" } }] },
      {
        tools: [
          { name: "glob", args: { pattern: "**/*.txt" } },
          { name: "grep", args: { pattern: "gam+a" } },
          { name: "bash", args: { command: "cat src/a.txt; pwd; exit 3" } },
        ],
      },
      { text: "done" },
    ]);
    assert.deepEqual(parts.map(({ tool, state }) => [tool, state.status]), [
      ...["write", "read", "edit", "glob", "grep", "bash"].map((tool) => [tool, "completed"]),
    ]);
    const [write, read, edit, glob, grep, bash] = parts.map(({ state }) => state);
    assert.equal(write.output, "Wrote file successfully.");
    assert.equal(write.title, "src/a.txt");
    assert.deepEqual(write.metadata.diagnostics, {});
    assert.match(read.output, /^<path>\/workspace\/src\/a.txt<\/path>\n<type>file<\/type>\n<content>\n1: alpha\n2: beta\n/);
    assert.equal(edit.output, "Edit applied successfully.");
    assert.match(edit.metadata.diff, /^-beta\n\+gamma$/m);
    assert.equal(edit.metadata.filediff.additions, 1);
    assert.equal(glob.output, "/workspace/src/a.txt");
    assert.equal(glob.metadata.count, 1);
    assert.match(grep.output, /^Found 1 matches\n\/workspace\/src\/a.txt:\n  Line 2: gamma\n$/);
    assert.equal(bash.output, "alpha\ngamma\n/workspace\n");
    assert.equal(bash.metadata.exit, 3);
    assert.equal(await world.inSandbox(session, "cat /workspace/src/a.txt"), "alpha\ngamma\n");
  });

  test("apply_patch, which OpenCode offers to some models in place of edit and write, acts in the sandbox", async () => {
    const session = await opencode.newSession();
    const patchText = "*** Begin Patch\n*** Add File: new.txt\n+one\n+two\n*** End Patch";
    const part = await opencode.callTool(session, "apply_patch", { patchText }, { model: "gpt-5-stand-in" });
    assert.equal(part.state.status, "completed", part.state.error);
    assert.match(part.state.output, /^Success\. Updated the following files:\nA new\.txt$/);
    assert.equal(part.state.metadata.files[0].type, "add");
    assert.equal(await world.inSandbox(session, "cat new.txt"), "one\ntwo\n");
  });

  test("an image that is read becomes an attachment", async () => {
    const session = await opencode.newSession();
    await world.inSandbox(session, `echo ${PIXEL} | base64 -d > dot.png`);
    const { state } = await opencode.callTool(session, "read", { filePath: "/workspace/dot.png" });
    assert.equal(state.attachments[0].mime, "image/png");
    assert.equal(state.attachments[0].url, `data:image/png;base64,${PIXEL}`);
  });

  test("a failing tool gives the model OpenCode's own words", async () => {
    const session = await opencode.newSession();
    const { state } = await opencode.callTool(session, "read", { filePath: "/workspace/none" });
    assert.equal(state.status, "error");
    assert.equal(state.error, "File not found: /workspace/none");
    const wrong = await opencode.callTool(session, "bash", { command: 5 });
    assert.match(wrong.state.error, /^The bash tool was called with invalid arguments: /);
  });

  test("a path of the host does not exist in the sandbox", async () => {
    const session = await opencode.newSession();
    const { state } = await opencode.callTool(session, "read", { filePath: world.tokenFile });
    assert.match(state.error, /^File not found: /);
  });

  test("output is seen while the command still runs", async () => {
    const session = await opencode.newSession();
    const from = opencode.events.length;
    const turn = opencode.callTool(session, "bash", { command: "echo first; while [ ! -e go ]; do sleep 0.1; done; echo last" });
    const isShown = ({ type, properties }) =>
      type === "message.part.updated" &&
      properties.part.sessionID === session &&
      properties.part.state?.status === "running" &&
      properties.part.state.metadata?.output === "first\n";
    // The command goes on only after its first line was seen.
    await eventually("the first line is shown", () => opencode.events.slice(from).some(isShown));
    await world.inSandbox(session, "touch go");
    const { state } = await turn;
    assert.equal(state.status, "completed");
    assert.equal(state.output, "first\nlast\n");
    assert.equal(state.metadata.output, "first\nlast\n");
  });

  test("abort ends the command and all it has started, and keeps what it printed", async () => {
    const session = await opencode.newSession();
    const turn = opencode.callTool(session, "bash", { command: "echo begun; touch started; sleep 4321 & sleep 4321" });
    await eventually("the command runs", () => world.inSandbox(session, "ls started 2>/dev/null || true"));
    assert.match(await world.inSandbox(session, "ps ax -o args 2>/dev/null || cat /proc/[0-9]*/cmdline | tr '\\0' ' '"), /sleep 4321/);
    await eventually("the output is shown", () =>
      opencode.events.some(({ properties }) => properties.part?.sessionID === session && properties.part.state?.metadata?.output));
    await opencode.request("POST", `/session/${session}/abort`);
    const { state } = await turn;
    assert.equal(state.status, "completed", state.error);
    assert.equal(state.output, "begun\n\n\n<shell_metadata>\nUser aborted the command\n</shell_metadata>");
    assert.equal(state.metadata.output, "begun\n");
    await eventually("no process is left", async () => {
      // The pattern is spelled so that it does not find the shell that looks for it.
      const processes = await world.inSandbox(session, "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '");
      return !processes.includes("sleep 4321");
    });
  });

  test("the model is offered OpenCode's tools, and told nothing of the host", async () => {
    const session = await opencode.newSession();
    await opencode.play(session, [{ text: "done" }]);
    const request = world.requests().filter(({ tools }) => tools?.length).at(-1);
    const names = request.tools.map((tool) => tool.function.name).sort();
    assert.deepEqual(names, [
      "bash", "edit", "glob", "grep", "preview_url", "process", "question", "read", "skill", "task", "todowrite", "webfetch",
      "write",
    ]);
    const system = request.messages[0].content;
    assert.match(system, /Working directory: \/workspace\n/);
    assert.doesNotMatch(system, new RegExp(world.directory));
    assert.match(system, /sandbox that belongs to this session/);
  });

  test("a sub-agent's prompt does not bring in files of the host", async () => {
    const session = await opencode.newSession();
    const part = await opencode.callTool(session, "task", {
      description: "look",
      prompt: `see @${world.tokenFile} and @/etc/hostname SCRIPT:[{"text":"seen"}]`,
      subagent_type: "general",
    });
    assert.equal(part.state.status, "completed", part.state.error);
    const sent = world.requests().at(-2).messages.concat(world.requests().at(-1).messages);
    assert.doesNotMatch(JSON.stringify(sent), /Called the Read tool/);
  });

  test("`opencode run` uses the sandbox too, and ends by itself", async () => {
    const { code, events, stderr } = await world.opencodeRun(
      'SCRIPT:[{"tools":[{"name":"bash","args":{"command":"uname -s > kernel; cat kernel"}}]},{"text":"done"}]',
    );
    assert.equal(code, 0, stderr);
    const [call] = events.filter(({ type }) => type === "tool_use");
    assert.equal(call.part.state.output, "Linux\n");
    assert.equal(await world.inSandbox(call.sessionID, "cat /workspace/kernel"), "Linux\n");
  });
});
