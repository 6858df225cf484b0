// Errors that the language servers for Python and TypeScript find, each a real one in the session's sandbox.
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { run } from "./processes.mjs";
import { binary, World } from "./world.mjs";

const packages = fileURLToPath(new URL("language-servers", import.meta.url));

const SERVERS = [
  {
    command: "pyright-langserver",
    path: "/workspace/main.py",
    content: (name) => `def total(items: list[int]) -> int:\n    return ${name}(items)\n`,
    wanted: (name) => `ERROR [2:12] "${name}" is not defined`,
    good: "sum",
  },
  {
    command: "typescript-language-server",
    path: "/workspace/main.ts",
    content: (name) => `export function total(items: number[]): number {\n  return ${name}(...items);\n}\n`,
    wanted: (name) => `ERROR [2:10] Cannot find name '${name}'.`,
    good: "Math.max",
  },
];

/** Puts Node.js and the packages into a sandbox, as an image would have them. */
async function install(world, session) {
  const unpack = "mkdir -p /opt/servers && tar -x -C /opt/servers && mv /opt/servers/node /usr/local/bin/node";
  const link = SERVERS.map(({ command }) => `ln -s /opt/servers/node_modules/.bin/${command} /usr/local/bin/`);
  const inside = [unpack, ...link].join(" && ");
  const pipe = 'tar -c -C "$1" node_modules -C "$2" node | "$3" exec --session "$4" -- sh -c "$5"';
  const words = [packages, dirname(process.execPath), binary, session, inside];
  const { code, stderr } = await run("sh", ["-c", pipe, "sh", ...words], { env: world.env });
  assert.equal(code, 0, stderr);
}

test("the servers of Python and TypeScript tell of what is wrong, and are quiet when it is mended", async () => {
  const world = await World.start();
  try {
    const session = await world.opencode.newSession();
    await install(world, session);
    for (const { command, path, content, wanted, good } of SERVERS) {
      let name, state;
      // A server that is only starting is late for the first calls.
      for (let attempt = 0; attempt < 20 && !state?.output.includes("<diagnostics"); attempt++) {
        name = `missing${attempt}`;
        ({ state } = await world.opencode.callTool(session, "write", { filePath: path, content: content(name) }));
      }
      const block = `<diagnostics file="${path}">\n${wanted(name)}\n</diagnostics>`;
      assert.equal(state.output, `Wrote file successfully.\n\nLSP errors detected in this file, please fix:\n${block}`, command);
      const edit = { filePath: path, oldString: name, newString: good };
      const edited = await world.opencode.callTool(session, "edit", edit);
      assert.equal(edited.state.output, "Edit applied successfully.", command);
    }
    assert.deepEqual(world.hostFiles(), []);
  } finally {
    await world.stop();
  }
});
