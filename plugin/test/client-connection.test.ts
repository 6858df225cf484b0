import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { type ConnectionState, type ConnectOptions, RpcError, type SandboxClient, connect } from "../src/client/index.ts";
import { FakeBridge } from "./support/fake-bridge.ts";
import { failure } from "./support/vat-server.ts";

let bridge: FakeBridge;
let closing: (() => Promise<unknown>)[];
before(async () => {
  bridge = await FakeBridge.start();
});
after(() => bridge.kill());
beforeEach(() => {
  closing = [];
});
afterEach(async () => {
  for (const close of closing) await close();
  if (bridge.dead) bridge = await FakeBridge.start(bridge.port);
  await bridge.reset();
});

function open(options: ConnectOptions = {}): SandboxClient {
  const client = connect({ url: bridge.url, token: "secret", ...options });
  closing.push(() => client.close());
  return client;
}
/** Resolves with the next state of this status; call it before what brings it about. */
function next(client: SandboxClient, status: ConnectionState["status"]): Promise<ConnectionState> {
  return new Promise((resolve) => {
    const stop = client.onState((state) => {
      if (state.status !== status) return;
      stop();
      resolve(state);
    });
  });
}
async function rpcFailure(promise: Promise<unknown>): Promise<RpcError> {
  const error = await failure(promise);
  assert.ok(error instanceof RpcError, String(error));
  return error;
}
/** A port on which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("connecting", () => {
  test("happens at once, says who it is, and tells its states", async () => {
    const states: string[] = [];
    const client = open({ name: "tester", onState: (state) => states.push(state.status) });
    assert.equal(client.state.status, "connecting");
    await bridge.line("hello tester");
    await client.ping();
    assert.deepEqual(client.state, { status: "connected", again: false });
    assert.equal((await client.hello()).name, "fake");
    await client.close();
    assert.deepEqual(states, ["connecting", "connected", "closed"]);
  });

  test("takes address and token from the environment, and the token from a file each time anew", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sandbridge-client-"));
    const saved = { ...process.env };
    try {
      process.env["SANDBRIDGE_URL"] = `http://127.0.0.1:${bridge.port}`;
      delete process.env["SANDBRIDGE_TOKEN"];
      process.env["SANDBRIDGE_TOKEN_FILE"] = join(homedir(), "no-such-directory", "token");
      const client = open({ url: undefined, token: undefined });
      assert.equal(client.url, bridge.url);
      await next(client, "disconnected"); // There is no such file yet.
      assert.match(JSON.stringify(client.state), /token file ~\/no-such-directory\/token is not there/);
      process.env["SANDBRIDGE_TOKEN_FILE"] = join(directory, "token");
      await writeFile(join(directory, "token"), "secret\n");
      await client.ping();
    } finally {
      process.env = saved;
      await rm(directory, { recursive: true });
    }
  });

  test("without a bridge a call waits, and then says what to do", async () => {
    const url = `ws://127.0.0.1:${await freePort()}/rpc`;
    const error = await rpcFailure(open({ url, connectTimeoutMs: 300 }).ping());
    assert.equal(error.kind, "unavailable");
    assert.ok(error.message.startsWith(`no bridge at ${url}: start one with \`sandbridge serve\` (`), error.message);
  });

  test("a call that waits goes through when the bridge comes", async () => {
    await bridge.kill();
    const client = open();
    const pinged = client.ping();
    await next(client, "disconnected");
    bridge = await FakeBridge.start(bridge.port);
    await pinged;
  });

  test("an aborted call stops waiting", async () => {
    const client = open({ url: `ws://127.0.0.1:${await freePort()}/rpc` });
    const stop = new AbortController();
    const pinged = failure(client.ping({ signal: stop.signal }));
    const reason = new Error("enough");
    stop.abort(reason);
    assert.equal(await pinged, reason);
  });

  test("a refused token is said at once, without the token", async () => {
    const client = open({ token: "wrong-secret", connectTimeoutMs: 60_000 });
    const error = await rpcFailure(client.ping());
    assert.equal(error.kind, "denied");
    assert.match(error.message, /refuses the token from the `token` option/);
    assert.ok(!error.message.includes("wrong-secret"));
    await bridge.line("refused Bearer wrong-secret");
    // Not asked again in a tight loop, and nevertheless in the end.
    await bridge.tell("token wrong-secret");
    assert.equal(bridge.count("refused"), 0);
    await client.ping();
  });

  test("an address that is no bridge's is said, with what is there", async () => {
    await bridge.tell("status 404");
    const error = await rpcFailure(open({ connectTimeoutMs: 60_000 }).ping());
    assert.equal(error.kind, "unavailable");
    assert.match(error.message, /is not a bridge's address: it answers HTTP 404, "becaus"/);
  });

  test("an address that cannot be one fails each call at once", async () => {
    for (const url of ["nonsense", "ftp://127.0.0.1/", "ws://user:password@127.0.0.1/"]) {
      const error = await rpcFailure(open({ url, connectTimeoutMs: 60_000 }).ping());
      assert.equal(error.kind, "invalidArgument");
      assert.ok(!error.message.includes("password@"));
    }
  });

  test("a token that is none is not sent", async () => {
    const error = await rpcFailure(open({ token: "line\nbreak", connectTimeoutMs: 200 }).ping());
    assert.match(error.message, /does not hold a bridge's token/);
    assert.equal(bridge.count("refused"), 0);
  });
});

describe("a connection that breaks", () => {
  test("is made again, and handles work on", async () => {
    const client = open();
    const session = client.session("s", { root: "r" });
    assert.equal((await session.info()).status, "none");
    assert.equal(await bridge.line("session"), "session s r ");
    const lost = next(client, "disconnected");
    const found = next(client, "connected");
    await bridge.tell("drop");
    const state = await lost;
    assert.ok(state.status === "disconnected" && /broke/.test(state.reason));
    assert.deepEqual(await found, { status: "connected", again: true });
    assert.equal((await session.info()).status, "none");
    await bridge.line("session s r");
  });

  test("fails what was on its way as interrupted, unless it can do no harm twice", async () => {
    const client = open();
    const session = client.session("s");
    const call = rpcFailure(session.tools.call("hang", {}));
    await bridge.line("hanging");
    const preparing = session.prepare();
    await bridge.line("preparing");
    await bridge.tell("drop");
    const error = await call;
    assert.equal(error.kind, "interrupted");
    await bridge.line("preparing"); // Asked again by itself.
    await client.close();
    await rpcFailure(preparing);
  });

  test("survives kill -9 of the bridge", async () => {
    const client = open();
    await client.ping();
    const lost = next(client, "disconnected");
    await bridge.kill();
    await lost;
    const call = client.session("s").tools.call("echo", { a: 1 });
    bridge = await FakeBridge.start(bridge.port);
    assert.equal((await call).output, '{"a":1}');
  });

  test("is given up when a ping is not answered", async () => {
    const client = open({ pingIntervalMs: 20, pingTimeoutMs: 200 });
    await client.ping();
    const call = rpcFailure(client.session("s").tools.call("hang", {}));
    await bridge.line("hanging");
    const found = next(client, "connected");
    await bridge.tell("mute");
    assert.match((await call).message, /no answer to a ping within 0\.2 s/);
    await found;
    await client.ping();
  });

  test("is given up when garbage comes, and made again", async () => {
    const client = open();
    await client.ping();
    const found = next(client, "connected");
    await bridge.tell("garbage");
    await found;
    await client.ping();
  });
});

describe("closing", () => {
  test("fails what is under way and what comes later", async () => {
    const client = open();
    const call = rpcFailure(client.session("s").tools.call("hang", {}));
    await bridge.line("hanging");
    await client.close();
    assert.match((await call).message, /closed by this side/);
    assert.equal((await rpcFailure(client.ping())).kind, "unavailable");
    await bridge.line("aborted");
  });

  test("while it connects is possible, twice too", async () => {
    const client = open({ url: `ws://127.0.0.1:${await freePort()}/rpc` });
    const call = rpcFailure(client.ping());
    await Promise.all([client.close(), client.close()]);
    assert.equal((await call).kind, "unavailable");
    assert.equal(client.state.status, "closed");
  });

  test("is what `await using` does", async () => {
    let kept: SandboxClient | undefined;
    {
      await using client = connect({ url: bridge.url, token: "secret" });
      kept = client;
      await client.ping();
    }
    assert.equal(kept.state.status, "closed");
  });
});

describe("watching", () => {
  test("tells events, also after a reconnection, until it is closed", async () => {
    const client = open();
    const seen: string[] = [];
    let told: () => void = () => {};
    const watch = client.watch((event) => {
      seen.push(`${event.kind} ${event.sessionId} ${event.text}`);
      told();
    });
    const event = async (id: string): Promise<void> => {
      const arrived = new Promise<void>((resolve) => {
        told = resolve;
      });
      await bridge.tell(`event ${id}`);
      await arrived;
    };
    await bridge.line("watch");
    await event("a");
    await bridge.tell("drop");
    await bridge.line("watch");
    await event("b");
    watch.close();
    assert.deepEqual(seen, ["created a it was made", "created b it was made"]);
    await bridge.tell("drop");
    await client.ping();
    assert.equal(bridge.count("watch"), 0);
  });
});

describe("tool calls", () => {
  test("carry arguments, metadata, attachments and failure", async () => {
    const { tools } = open().session("s");
    assert.deepEqual(await tools.call("echo", '{"a":"raw"}'),
      { failed: false, title: "echo", output: '{"a":"raw"}', metadata: {}, attachments: [] });
    assert.equal((await tools.call("fail", {})).failed, true);
    assert.deepEqual((await tools.call("attach", {})).attachments, [{ mime: "image/png", data: new Uint8Array([1, 2, 3]) }]);
    assert.match((await rpcFailure(tools.call("bad-metadata", {}))).message, /not a JSON object/);
  });

  test("stream what is printed, in order and before the result", async () => {
    let printed = "";
    const result = await open().session("s").tools.call("print", {}, {
      onOutput: async (bytes) => {
        await new Promise((resolve) => setImmediate(resolve));
        printed += new TextDecoder().decode(bytes);
      },
    });
    assert.equal(printed, "one two three");
    assert.deepEqual(result.metadata, { exit: 0 });
  });

  test("ask, and go on when they may", async () => {
    const asked: unknown[] = [];
    const result = await open().session("s").tools.call("ask", {}, { ask: (question) => void asked.push(question) });
    assert.equal(result.failed, false);
    assert.deepEqual(asked, [{ permission: "edit", patterns: ["*.ts"], always: [], metadata: { filepath: "a.ts" } }]);
  });

  test("fail with the very error that the question was answered with", async () => {
    class Rejected extends Error {}
    const no = new Rejected("not that file");
    const error = await failure(open().session("s").tools.call("ask", {}, { ask: () => Promise.reject(no) }));
    assert.equal(error, no);
  });

  test("end on the other side when they are aborted", async () => {
    const stop = new AbortController();
    const call = failure(open().session("s").tools.call("hang", {}, { signal: stop.signal }));
    await bridge.line("hanging");
    const reason = new Error("stop it");
    stop.abort(reason);
    assert.equal(await call, reason);
    await bridge.line("aborted");
  });

  test("of a session that the bridge refuses fail with its reason", async () => {
    const error = await rpcFailure(open().session("").tools.call("echo", {}));
    assert.deepEqual([error.kind, error.message], ["invalidArgument", "a session's id is not empty"]);
  });
});

describe("files", () => {
  test("longer than what the caller takes are not read to their end", async () => {
    const { files } = open().session("s");
    assert.equal((await files.read("a")).length, 1_000_000);
    const error = await rpcFailure(files.read("a", { maxBytes: 250_000 }));
    assert.match(error.message, /a is longer than 250000 bytes/);
  });

  test("that are not there say so", async () => {
    const error = await rpcFailure(open().session("s").files.remove("b"));
    assert.deepEqual([error.kind, error.message], ["notFound", "there is no b"]);
  });
});
