// The option `web`: a search leaves from the sandbox, and reads as it does when OpenCode makes it itself. One server stands for
// the services on either side, with TLS and under their names: OpenCode gets there by a proxy, the sandbox by its /etc/hosts.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Child, run } from "./processes.mjs";
import { World } from "./world.mjs";

const SERVER = fileURLToPath(new URL("search-server.py", import.meta.url));
const NAMES = ["mcp.exa.ai", "search.parallel.ai"];

describe("a search from the sandbox", () => {
  let folder, certificate, key, server, proxy, sandbox, host, session;
  const asked = []; // of the proxy

  async function worldWith(options) {
    const world = await World.start({ serve: false });
    Object.assign(world.env, {
      OPENCODE_ENABLE_EXA: "1", // else websearch is there for OpenCode's own providers only
      HTTPS_PROXY: `http://127.0.0.1:${proxy.address().port}`,
      NODE_EXTRA_CA_CERTS: certificate,
      EXA_API_KEY: "the-users-key",
      PARALLEL_API_KEY: "the-users-key",
    });
    delete world.env.OPENCODE_WEBSEARCH_PROVIDER;
    await world.useOpenCode({ options });
    return world;
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "sandbridge-search-"));
    certificate = join(folder, "certificate");
    key = join(folder, "key");
    const names = NAMES.map((name) => `DNS:${name}`).join(",");
    await run("openssl", [
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=search",
      "-addext", `subjectAltName=${names}`, "-keyout", key, "-out", certificate,
    ]);
    server = await Child.start("python3", [SERVER, "0", certificate, key], { ready: /^listening on (\d+)/, name: "search server" });
    proxy = createServer().listen(0, "127.0.0.1");
    proxy.on("connect", ({ url }, client, head) => {
      asked.push(url);
      const upstream = connect(Number(server.match[1]), "127.0.0.1", () => {
        client.write("HTTP/1.1 200 OK\r\n\r\n");
        upstream.write(head);
        upstream.pipe(client).pipe(upstream);
      });
      for (const socket of [client, upstream]) socket.on("error", () => { client.destroy(); upstream.destroy(); });
    });
    sandbox = await worldWith({ web: "sandbox" });
    host = await worldWith({});
    session = await sandbox.opencode.newSession();
    const files = { "server.py": SERVER, certificate, key };
    const parts = await sandbox.opencode.play(session, [
      {
        tools: Object.entries(files).map(([filePath, source]) => ({
          name: "write",
          args: { filePath, content: readFileSync(source, "utf8") },
        })),
      },
      { tools: [{ name: "process", args: { action: "start", command: "python3 server.py 443 certificate key" } }] },
      {
        tools: [{
          name: "bash",
          args: {
            command:
              `echo 127.0.0.1 ${NAMES.join(" ")} >> /etc/hosts && cat certificate >> /etc/ssl/certs/ca-certificates.crt &&` +
              ` until (echo > /dev/tcp/127.0.0.1/443) 2>/dev/null; do sleep 0.1; done`,
          },
        }],
      },
      { text: "done" },
    ]);
    assert.deepEqual(parts.map(({ state }) => state.error ?? state.metadata?.exit ?? 0), [0, 0, 0, 0, 0]);
  });
  after(async () => {
    await sandbox?.stop();
    await host?.stop();
    await server?.stop();
    proxy?.close();
    proxy?.closeAllConnections();
    if (folder) rmSync(folder, { recursive: true });
  });

  const plain = ({ state: { status, output, error, title, metadata } }) => ({ status, output, error, title, metadata });

  test("a search is asked for, and reads, as when OpenCode makes it", async () => {
    const calls = [
      { query: "a \"b\" 'c' $(d) \u00e9" },
      { query: "q", numResults: 3, livecrawl: "preferred", type: "deep", contextMaxCharacters: 500 },
      { query: "q", numResults: 0 },
      { query: "nothing" },
      { query: "q", type: "wrong" },
      {},
    ];
    const play = (world, id) =>
      world.opencode.play(id, [{ tools: calls.map((args) => ({ name: "websearch", args })) }, { text: "done" }]);
    const [ours, theirs] = await Promise.all([play(sandbox, session), play(host, await host.opencode.newSession())]);
    assert.equal(theirs.length, calls.length);
    calls.forEach((call, i) => {
      const mine = plain(ours[i]);
      // The user's key stays where it is.
      if (theirs[i].state.status === "completed" && mine.output.startsWith("{")) {
        assert.equal(JSON.parse(mine.output).key, false);
        mine.output = mine.output.replace('"key": false', '"key": true');
      }
      assert.deepEqual(mine, plain(theirs[i]), JSON.stringify(call));
    });
    assert.equal(plain(theirs[0]).status, "completed", theirs[0].state.error);
    assert.match(theirs[0].state.output, /"web_search_exa"/);
  });

  test("what is too long is kept where the model's tools can read it; a refusal is told", async () => {
    const play = (world, id) =>
      world.opencode.play(id, [
        { tools: ["long", "too often"].map((query) => ({ name: "websearch", args: { query } })) }, { text: "done" },
      ]);
    const [[long, refused], [theirLong, theirRefused]] = await Promise.all([
      play(sandbox, session), play(host, await host.opencode.newSession()),
    ]);
    assert.equal(long.state.output.split(" truncated...")[0], theirLong.state.output.split(" truncated...")[0]);
    const filePath = long.state.metadata.outputPath;
    const read = await sandbox.opencode.callTool(session, "read", { filePath, offset: 3000, limit: 1 });
    assert.match(read.state.output, /\n3000: line\n/);
    assert.equal(refused.state.error, "StatusCode: non 2xx status code (429 POST https://mcp.exa.ai/mcp)");
    assert.deepEqual(refused.state.metadata, { provider: "exa" });
    assert.deepEqual(refused.state.metadata, theirRefused.state.metadata);
    const running = (world, { callID }) =>
      world.opencode.events
        .filter(({ type, properties }) => type === "message.part.updated" && properties.part.callID === callID)
        .map(({ properties }) => properties.part.state)
        .filter(({ status, metadata }) => status === "running" && metadata)
        .map(({ title, metadata }) => ({ title, metadata }))
        .at(-1);
    assert.deepEqual(running(sandbox, refused), { title: 'Exa Web Search "too often"', metadata: { provider: "exa" } });
    assert.deepEqual(running(sandbox, refused), running(host, theirRefused));
  });

  test("the request leaves from the sandbox", async () => {
    const before = asked.length;
    const { state } = await sandbox.opencode.callTool(session, "websearch", { query: "q" });
    assert.equal(state.status, "completed", state.error);
    assert.equal(asked.length, before);
    await host.opencode.callTool(await host.opencode.newSession(), "websearch", { query: "q" });
    assert.ok(asked.length > before);
  });

  test("websearch is what the model is offered on either side, word for word", () => {
    const [ours, theirs] = [sandbox, host].map((world) => {
      const request = world.requests().filter(({ tools }) => tools?.length).at(-1);
      return request.tools.find((tool) => tool.function.name === "websearch");
    });
    assert.ok(theirs);
    assert.deepEqual(ours, theirs);
  });
});

test("websearch is offered where OpenCode offers it, and by the other service if the user says so", async () => {
  const offered = (world) => world.requests().filter(({ tools }) => tools?.length).at(-1).tools.map((tool) => tool.function.name);
  const world = await World.start({ serve: false });
  try {
    delete world.env.OPENCODE_ENABLE_EXA;
    await world.useOpenCode({ options: { web: "sandbox", permission: { websearch: "deny" } } });
    await world.opencode.play(await world.opencode.newSession(), [{ text: "done" }]);
    assert.ok(!offered(world).includes("websearch"), String(offered(world)));
    await world.opencode.stop();
    world.env.OPENCODE_WEBSEARCH_PROVIDER = "parallel";
    world.env.OPENCODE_ENABLE_EXA = "1";
    await world.useOpenCode({ options: { web: "sandbox" } });
    const session = await world.opencode.newSession();
    await world.opencode.callTool(session, "bash", { command: "echo 127.0.0.1 search.parallel.ai >> /etc/hosts" });
    const { state } = await world.opencode.callTool(session, "websearch", { query: "q" });
    assert.ok(offered(world).includes("websearch"));
    // Nobody listens there.
    assert.match(state.error, /^Transport error \(POST https:\/\/search\.parallel\.ai\/mcp\): /);
  } finally {
    await world.stop();
  }
});
