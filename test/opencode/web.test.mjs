// The option `web`: pages leave from the sandbox, and read as they do when OpenCode fetches them itself.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { after, before, describe, test } from "node:test";
import { Child } from "./processes.mjs";
import { World, eventually } from "./world.mjs";

const SERVER = new URL("web-server.py", import.meta.url);
const PORT = 4322;

describe("the web from the sandbox", () => {
  let sandbox, host, session, hostSession, server;
  const inSandbox = (path) => `http://127.0.0.1:${PORT}${path}`;
  const onHost = (path) => `http://127.0.0.1:${server.match[1]}${path}`;

  before(async () => {
    server = await Child.start("python3", [fileURLToPath(SERVER), "0"], { ready: /^listening on (\d+)/, name: "web server" });
    sandbox = await World.start({ options: { web: "sandbox" } });
    host = await World.start();
    hostSession = await host.opencode.newSession();
    session = await sandbox.opencode.newSession();
    const content = readFileSync(SERVER, "utf8");
    const parts = await sandbox.opencode.play(session, [
      { tools: [{ name: "write", args: { filePath: "server.py", content } }] },
      { tools: [{ name: "process", args: { action: "start", command: `python3 server.py ${PORT}` } }] },
      { tools: [{ name: "bash", args: { command: `until (echo > /dev/tcp/127.0.0.1/${PORT}) 2>/dev/null; do sleep 0.1; done` } }] },
      { text: "done" },
    ]);
    assert.deepEqual(parts.map(({ state }) => state.status), ["completed", "completed", "completed"]);
  });
  after(async () => {
    await sandbox?.stop();
    await host?.stop();
    await server?.stop();
  });

  /** Both sides' results of each call, as if it had gone to the same address; `of` is what was called. */
  async function both(calls) {
    const play = (world, id, urlOf) => {
      const tools = calls.map(([path, args]) => ({ name: "webfetch", args: { url: urlOf(path), ...args } }));
      return world.opencode.play(id, [{ tools }, { text: "done" }]);
    };
    const [ours, theirs] = await Promise.all([play(sandbox, session, inSandbox), play(host, hostSession, onHost)]);
    assert.deepEqual([ours.length, theirs.length], [calls.length, calls.length]);
    const plain = ({ state: { status, output, error, title, metadata, attachments = [] } }, origin) =>
      JSON.parse(
        JSON.stringify({ status, output, error, title, metadata, attachments: attachments.map(({ mime, url }) => ({ mime, url })) })
          .replaceAll(origin, "http://server"),
      );
    return calls.map((call, i) => ({
      of: JSON.stringify(call),
      ours: plain(ours[i], inSandbox("")),
      theirs: plain(theirs[i], onHost("")),
    }));
  }

  test("a page reads as it does when OpenCode fetches it", async () => {
    const results = await both([
      ["/html", {}],
      ["/html", { format: "markdown" }],
      ["/html", { format: "text" }],
      ["/html", { format: "html", timeout: 20 }],
      ["/image", {}],
      ["/svg", {}],
      ["/bytes", { format: "text" }],
      ["/empty", {}],
      ["/moved", {}],
      ["/seen?a=b#c", { format: "text" }],
      ["/seen", { format: "html" }],
      ["/seen", { format: "markdown" }],
      ["/a b\"\u00e9\\?x=[1-2]", {}],
    ]);
    for (const { of, ours, theirs } of results) {
      assert.equal(theirs.status, "completed", `${of}: ${theirs.error}`);
      assert.deepEqual(ours, theirs, of);
    }
  });

  test("what cannot be had is said as OpenCode says it", async () => {
    const results = await both([
      ["/missing", {}],
      ["/broken", {}],
      ["/large", {}],
      ["/silent", { timeout: 0.5 }],
      ["/html", { format: "pdf" }],
      ["/html", { timeout: "5" }],
      ["/loop", {}],
    ]);
    // Of this one ours says why.
    const { ours, theirs } = results.pop();
    for (const { of, ours, theirs } of results) {
      assert.equal(theirs.status, "error", of);
      assert.deepEqual(ours, theirs, of);
    }
    assert.equal(theirs.error, "Transport error (GET http://server/loop)");
    assert.ok(ours.error.startsWith(`${theirs.error}: `), ours.error);
  });

  test("a page that is too long is cut where OpenCode cuts, and kept where the model's tools can read it", async () => {
    for (const { of, ours, theirs } of await both([["/long", { format: "text" }], ["/wide", { format: "text" }]])) {
      const [before, after] = ours.output.split(/ truncated\.\.\.\n\n/);
      assert.equal(before, theirs.output.split(/ truncated\.\.\.\n\n/)[0]);
      const file = ours.metadata.outputPath;
      assert.match(file, /^\/tmp\/\.sandbridge\/output\/tool_[0-9a-f]{32}$/);
      assert.ok(after.includes(`Full output saved to: ${file}\n`));
      assert.equal(ours.metadata.truncated, true);
      const read = await sandbox.opencode.callTool(session, "read", { filePath: file, offset: 999, limit: 1 });
      assert.match(read.state.output, of.includes("/long") ? /\n999: line 998\n/ : /\n999: 0+998\n/, read.state.error);
    }
  });

  test("the request leaves from the sandbox: what the host can reach is not there", async () => {
    const { state } = await sandbox.opencode.callTool(session, "webfetch", { url: onHost("/html") });
    assert.match(state.error ?? "", /^Transport error \(GET /, state.output);
    const reached = await host.opencode.callTool(hostSession, "webfetch", { url: onHost("/html") });
    assert.equal(reached.state.status, "completed");
  });

  test("abort ends the request", async () => {
    const turn = sandbox.opencode.callTool(session, "webfetch", { url: inSandbox("/silent?4711"), timeout: 100 });
    const fetching = async () => {
      const processes = await sandbox.inSandbox(session, "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '");
      return processes.includes("/silent?4711 ") || processes.includes("/silent?4711\n");
    };
    await eventually("the request is under way", fetching, 60_000);
    await sandbox.opencode.request("POST", `/session/${session}/abort`);
    await turn;
    await eventually("nobody fetches any more", async () => !(await fetching()));
  });

  test("webfetch is what the model is offered on either side, word for word", () => {
    const [ours, theirs] = [sandbox, host].map((world) => {
      const request = world.requests().filter(({ tools }) => tools?.length).at(-1);
      return request.tools.find((tool) => tool.function.name === "webfetch");
    });
    assert.deepEqual(ours, theirs);
  });
});

test("webfetch from the sandbox asks OpenCode's question", async () => {
  const world = await World.start({ options: { web: "sandbox", permission: { webfetch: "ask" } } });
  try {
    const session = await world.opencode.newSession();
    const url = "http://127.0.0.1:1/x";
    const turn = world.opencode.callTool(session, "webfetch", { url, format: "text", timeout: 5 });
    const question = await eventually("it is asked", () => world.opencode.events.find(({ type }) => type === "permission.asked"));
    const { permission, patterns, always, metadata, id } = question.properties;
    assert.deepEqual({ permission, patterns, always }, { permission: "webfetch", patterns: [url], always: ["*"] });
    assert.deepEqual(metadata, { url, format: "text", timeout: 5 });
    await world.opencode.request("POST", `/permission/${id}/reply`, { reply: "reject" });
    const { state } = await turn;
    assert.match(state.error, /^The user rejected permission to use this specific tool call\./);
  } finally {
    await world.stop();
  }
});
