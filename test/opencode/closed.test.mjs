// What happens when something is broken: nothing, above all not on the host.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { World, eventually } from "./world.mjs";

/** Calls that would change or show the host's directory, in which there is one file. */
function attack(world) {
  writeFileSync(join(world.host, "present"), "a secret of the host\n");
  return [
    {
      tools: [
        { name: "bash", args: { command: `touch ${world.host}/leaked` } },
        { name: "write", args: { filePath: join(world.host, "leaked"), content: "x" } },
        { name: "edit", args: { filePath: join(world.host, "present"), oldString: "secret", newString: "leak" } },
        { name: "read", args: { filePath: join(world.host, "present") } },
        { name: "glob", args: { pattern: "*" } },
        { name: "grep", args: { pattern: "secret" } },
      ],
    },
    { text: "done" },
  ];
}

function assertUntouched(world) {
  assert.deepEqual(world.hostFiles(), ["present"]);
  assert.equal(readFileSync(join(world.host, "present"), "utf8"), "a secret of the host\n");
  assert.doesNotMatch(JSON.stringify(world.requests()), /a secret of the host/);
}

/** A plugin folder whose module does what `source` says, as a broken installation would. */
function brokenPlugin(world, source) {
  const folder = join(world.directory, "broken");
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", exports: { "./server": "./index.ts" } }));
  writeFileSync(join(folder, "index.ts"), source);
  return folder;
}

/** What the model was offered, by name. */
function offeredTools(world) {
  const { tools } = world.requests().findLast((request) => request.tools?.length);
  return Object.fromEntries(tools.map((tool) => [tool.function.name, tool.function]));
}

/** Kept by the tests that see them, for the one that compares them. */
const offered = {};

async function withWorld(options, use) {
  const world = await World.start(options);
  try {
    await use(world, world.opencode);
  } finally {
    await world.stop();
  }
}

describe("a real OpenCode fails closed", { concurrency: false }, () => {
  test("with the bridge down, every tool says so, and the host is untouched", async () => {
    await withWorld({ bridge: false, options: { connectTimeoutMs: 1_000 } }, async (world, opencode) => {
      const session = await opencode.newSession();
      const parts = await opencode.play(session, attack(world));
      assert.equal(parts.length, 6);
      for (const { tool, state } of parts) {
        assert.equal(state.status, "error", tool);
        assert.match(state.error, /^The sandbox cannot be reached, so nothing was done: no bridge at /, tool);
        assert.match(state.error, /sandbridge serve/, tool);
      }
      const typed = await opencode.request("POST", `/session/${session}/shell`, {
        agent: "build",
        command: `touch ${world.host}/leaked`,
      });
      assert.match(typed.parts[0].state.output, /sandbridge: nothing was run on this machine/);
      assertUntouched(world);
    });
  });

  for (const [what, source, rules, config] of [
    ["throws when it is imported", 'throw new Error("broken on purpose");', "README.md's rules deny", {}],
    [
      "throws when it is started",
      'export default { id: "opencode-sandbridge", server() { throw new Error("broken on purpose"); } };',
      "one rule for all tools, and no shell, close",
      { permission: { "*": { "*": "deny", "-": "allow" } }, shell: "/bin/false" },
    ],
  ]) {
    test(`with a plugin that ${what}, ${rules} OpenCode's own tools`, async () => {
      const world = await World.start({ bridge: false, serve: false });
      try {
        await world.useOpenCode({ pluginPath: brokenPlugin(world, source), config });
        const session = await world.opencode.newSession();
        const parts = await world.opencode.play(session, attack(world));
        assert.equal(parts.length, 6);
        for (const { tool, state } of parts) {
          assert.equal(state.status, "error", tool);
          assert.match(state.error, /^The user has specified a rule which prevents you/, tool);
        }
        if (config.shell) {
          const command = `touch ${world.host}/leaked`;
          await world.opencode.request("POST", `/session/${session}/shell`, { agent: "build", command });
        }
        assertUntouched(world);
        offered.builtIn = offeredTools(world);
      } finally {
        await world.stop();
      }
    });
  }

  test("with an option that does not exist, the plugin takes the tools' names and refuses", async () => {
    await withWorld({ bridge: false, options: { ulr: "ws://127.0.0.1:1/rpc" } }, async (world, opencode) => {
      writeFileSync(join(world.directory, "AGENTS.md"), "a secret of the host\n");
      const parts = await opencode.play(await opencode.newSession(), attack(world));
      for (const { tool, state } of parts) {
        assert.match(state.error, /^opencode-sandbridge could not start.*there is no option "ulr"/, tool);
      }
      assertUntouched(world);
      offered.ours = offeredTools(world);
    });
  });

  test("the model is offered our tools with the very words and arguments of OpenCode's own", () => {
    const names = ["bash", "edit", "glob", "grep", "read", "write"];
    assert.deepEqual(Object.keys(offered.builtIn ?? {}).filter((name) => names.includes(name)).sort(), names);
    for (const name of names) {
      const [ours, builtIn] = [offered.ours[name], offered.builtIn[name]];
      assert.deepEqual(ours.parameters, builtIn.parameters, name);
      // A new sandbox has no /tmp/opencode, and its shell is always bash.
      const words = ({ description }) =>
        description.split("\n").filter((line) => !/^Use `\/tmp\/opencode`|^Be aware: OS: linux/.test(line));
      assert.deepEqual(words(ours), words(builtIn), name);
    }
  });

  test("an unknown tool, of another plugin or of an MCP server, is told of at start and refused, unless the options name it", async () => {
    const world = await World.start({ bridge: false, serve: false });
    try {
      const tools = join(world.env.XDG_CONFIG_HOME, "opencode/tool");
      mkdirSync(tools);
      for (const name of ["stranger", "friend"]) {
        writeFileSync(
          join(tools, `${name}.ts`),
          `export default { description: "x", args: {}, execute: async () => "${name} ran" };`,
        );
      }
      const mcp = { outside: { type: "local", command: ["node", join(import.meta.dirname, "mcp-server.mjs")] } };
      await world.useOpenCode({ options: { allowTools: ["fri*"] }, config: { mcp } });
      const session = await world.opencode.newSession();
      const toasts = () =>
        world.opencode.events
          .filter(({ type }) => type === "tui.toast.show")
          .map(({ properties: { title, message } }) => `${title}: ${message}`);
      const closed = /^2 tools are closed: stranger, all of MCP server outside: .*"allowTools"/;
      await eventually("the audit is told", () => toasts().some((text) => closed.test(text)));

      const stranger = await world.opencode.callTool(session, "stranger", {});
      assert.match(stranger.state.error, /^The tool "stranger" is closed: /);
      const outside = await world.opencode.callTool(session, "outside_touch", {});
      assert.match(outside.state.error, /^The tool "outside_touch" is closed: /);
      for (const name of ["stranger", "outside_touch"]) {
        await eventually("the refusal is told", () => toasts().some((text) => text.startsWith(`A tool was refused: ${name}: `)));
      }
      const friend = await world.opencode.callTool(session, "friend", {});
      assert.equal(friend.state.output, "friend ran");
      assert.deepEqual(world.hostFiles(), []);
    } finally {
      await world.stop();
    }
  });
});
