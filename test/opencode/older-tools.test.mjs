// The option `addTools`: `list` and `multiedit`, which OpenCode had before 1.18. A tool file of the user's configuration stands
// for an OpenCode that has them itself.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { World, eventually } from "./world.mjs";

/** Starts a world in which OpenCode has tools of its own with these names, which leave a file on the host. */
async function worldWith({ own = [], ...given }) {
  const world = await World.start({ serve: false });
  try {
    const folder = join(world.env.XDG_CONFIG_HOME, "opencode/tool");
    mkdirSync(folder);
    for (const name of own) {
      const source = `import { writeFileSync } from "node:fs";
        export default { description: "x", args: {}, execute: async () => { writeFileSync("${world.host}/ran", ""); return "host"; } };`;
      writeFileSync(join(folder, `${name}.ts`), source);
    }
    await world.useOpenCode(given);
    return world;
  } catch (error) {
    await world.stop();
    throw error;
  }
}

async function withWorld(given, use) {
  const world = await worldWith(given);
  try {
    await use(world, world.opencode);
    assert.deepEqual(world.hostFiles(), []);
  } finally {
    await world.stop();
  }
}

/** The names of the tools that the model was offered last. */
const offered = (world) => {
  const request = world.requests().findLast(({ tools }) => tools?.length);
  return request.tools.map((tool) => tool.function.name);
};

/** Waits for the session's question and answers it. */
async function answer(opencode, session, reply) {
  const question = await eventually("a question", async () =>
    (await opencode.request("GET", "/permission")).find(({ sessionID }) => sessionID === session));
  await opencode.request("POST", `/permission/${question.id}/reply`, { reply });
  return question;
}

const pick = ({ permission, patterns, always }) => ({ permission, patterns, always });

describe("tools of other versions of OpenCode", { concurrency: false }, () => {
  test("with the option, list and multiedit act in the sandbox, also where OpenCode has its own", async () => {
    const permission = { list: "ask", edit: "ask" };
    const options = { addTools: ["list", "multiedit"], permission };
    await withWorld({ own: ["list"], options }, async (world, opencode) => {
      const session = await opencode.newSession();
      await world.inSandbox(session, "mkdir -p src build && printf 'one\\ntwo\\n' > src/a.txt && touch build/b .hidden");

      const listing = opencode.callTool(session, "list", { ignore: ["nothing"] });
      const question = await answer(opencode, session, "once");
      assert.deepEqual(pick(question), { permission: "list", patterns: ["/workspace"], always: ["*"] });
      assert.deepEqual(question.metadata, { path: "/workspace" });
      const { state: list } = await listing;
      assert.equal(list.status, "completed", list.error);
      assert.equal(list.output, "/workspace/\n  src/\n    a.txt\n  .hidden\n");
      assert.deepEqual(list.metadata, { count: 2, truncated: false });
      assert.deepEqual(offered(world).filter((name) => /^(list|multiedit)$/.test(name)).sort(), ["list", "multiedit"]);
      const tool = world.requests().findLast(({ tools }) => tools?.length).tools.find((tool) => tool.function.name === "multiedit");
      assert.deepEqual(tool.function.parameters.required, ["filePath", "edits"]);
      assert.deepEqual(tool.function.parameters.properties.edits.items.required, ["oldString", "newString"]);

      const edits = [{ oldString: "one", newString: "1" }, { oldString: "two", newString: "2" }];
      const editing = opencode.callTool(session, "multiedit", { filePath: "/workspace/src/a.txt", edits });
      const asked = await answer(opencode, session, "once");
      assert.deepEqual(pick(asked), { permission: "edit", patterns: ["src/a.txt"], always: ["*"] });
      assert.equal(asked.metadata.filepath, "/workspace/src/a.txt");
      assert.match(asked.metadata.diff, /^-one\n-two\n\+1\n\+2$/m);
      const { state: edited } = await editing;
      assert.equal(edited.status, "completed", edited.error);
      assert.deepEqual([edited.title, edited.output], ["src/a.txt", "Edit applied successfully."]);
      assert.deepEqual(edited.metadata.results.map(({ filediff }) => [filediff.additions, filediff.deletions]), [[1, 1], [1, 1]]);
      assert.equal(edited.metadata.filediff.additions, 2);
      assert.equal(await world.inSandbox(session, "cat src/a.txt"), "1\n2\n");
    });
  });

  test("a multiedit whose second edit fails leaves the file as it was, and so does one that is rejected", async () => {
    await withWorld({ options: { addTools: ["multiedit"], permission: { edit: "ask" } } }, async (world, opencode) => {
      const session = await opencode.newSession();
      await world.inSandbox(session, "printf 'one\\ntwo\\n' > a.txt");
      const first = { oldString: "one", newString: "1" };
      const failing = { filePath: "a.txt", edits: [first, { oldString: "absent", newString: "x" }] };
      const { state: failed } = await opencode.callTool(session, "multiedit", failing);
      assert.equal(failed.status, "error");
      assert.match(failed.error, /^Edit 2 of 2, so that nothing was changed: Could not find oldString/);
      const rejecting = opencode.callTool(session, "multiedit", { filePath: "a.txt", edits: [first] });
      await answer(opencode, session, "reject");
      const { state: rejected } = await rejecting;
      assert.equal(rejected.error, "The user rejected permission to use this specific tool call.");
      assert.equal(await world.inSandbox(session, "cat a.txt"), "one\ntwo\n");
    });
  });

  test("without the option, an OpenCode that has them neither offers nor runs them, and the option is named", async () => {
    const agent = { reckless: { mode: "primary", permission: { list: "allow", multiedit: "allow" } } };
    await withWorld({ own: ["list", "multiedit"], config: { agent } }, async (world, opencode) => {
      const told = /^2 tools are closed: list, multiedit: it would not act in the sandbox\. Have one that does with "addTools"/;
      const toasts = () =>
        opencode.events
          .filter(({ type }) => type === "tui.toast.show")
          .map(({ properties: { title, message } }) => `${title}: ${message}`);
      await eventually("the audit is told", () => toasts().some((text) => told.test(text)));
      const session = await opencode.newSession();
      await opencode.play(session, [{ text: "done" }]);
      assert.deepEqual(offered(world).filter((name) => /^(list|multiedit)$/.test(name)), []);

      // An agent's own rules may show them all the same.
      for (const name of ["list", "multiedit"]) {
        const parts = [{ type: "text", text: `SCRIPT:${JSON.stringify([{ tools: [{ name, args: {} }] }, { text: "done" }])}` }];
        const model = { providerID: "scripted", modelID: "stand-in" };
        const bold = await opencode.newSession();
        await opencode.request("POST", `/session/${bold}/message`, { agent: "reckless", model, parts });
        assert.ok(offered(world).includes(name));
        const [{ state }] = await opencode.toolParts(bold);
        assert.match(state.error, new RegExp(`^The tool "${name}" is closed: .*"addTools" in the options of opencode-sandbridge`));
        await eventually("the refusal is told", () =>
          toasts().some((text) => text.startsWith(`A tool was refused: ${name}: `) && text.includes('"addTools"')));
      }
    });
  });
});
