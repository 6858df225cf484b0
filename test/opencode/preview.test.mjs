// preview_url: what listens in the sandbox, through the bridge, as a person's browser reaches it.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { World, eventually } from "./world.mjs";

const PORT = 4321;

describe("a port of the sandbox, previewed", () => {
  let world, session, url;
  before(async () => {
    world = await World.start();
    session = await world.opencode.newSession();
    const content = readFileSync(new URL("preview-server.py", import.meta.url), "utf8");
    const [, early, , , later] = await world.opencode.play(session, [
      { tools: [{ name: "write", args: { filePath: "server.py", content } }] },
      { tools: [{ name: "preview_url", args: { port: PORT } }] },
      { tools: [{ name: "process", args: { action: "start", command: `python3 server.py ${PORT}` } }] },
      { tools: [{ name: "bash", args: { command: `until (echo > /dev/tcp/127.0.0.1/${PORT}) 2>/dev/null; do sleep 0.1; done` } }] },
      { tools: [{ name: "preview_url", args: { port: PORT } }] },
      { text: "done" },
    ]);
    assert.match(early.state.output, /Nothing listens on port 4321 yet/);
    assert.doesNotMatch(later.state.output, /Nothing listens/, later.state.error);
    url = later.state.metadata.url;
    assert.equal(url, early.state.metadata.url, "one link a port");
    assert.ok(later.state.output.startsWith(`${url}\n`));
  });
  after(() => world?.stop());

  /** Sends a request to the bridge's port in the link's name, as a browser does that knows where `localhost` is. */
  async function ask(path, { method = "GET", headers = {}, body, host = new URL(url).host } = {}) {
    const [hostname, port] = world.bridgeAddress.split(":");
    const request = http.request({ host: hostname, port, path, method, headers: { host, ...headers } });
    request.end(body);
    const [response] = await once(request, "response");
    return response;
  }
  async function textOf(response) {
    let text = "";
    for await (const piece of response.setEncoding("utf8")) text += piece;
    return text;
  }

  test("the link is a name of its own under localhost, with an unguessable part", () => {
    assert.match(url, /^http:\/\/preview-[0-9a-f]{32}\.localhost:\d+\/$/);
    assert.equal(new URL(url).port, world.bridgeAddress.split(":")[1]);
  });

  test("a request passes with its path, query and headers, and what runs there sees itself as localhost", async () => {
    const origin = url.slice(0, -1);
    const response = await ask("/seen?a=1&b=%2f", { headers: { origin, cookie: "c=1", "x-own": "yes" } });
    assert.equal(response.statusCode, 200);
    assert.equal(response.headers["referrer-policy"], "same-origin");
    const seen = JSON.parse(await textOf(response));
    assert.equal(seen.path, "/seen?a=1&b=%2f");
    assert.equal(seen.host, `localhost:${PORT}`);
    assert.equal(seen.origin, `http://localhost:${PORT}`);
    assert.equal(seen.cookie, "c=1");
    assert.equal(seen["x-own"], "yes");
    // Neither the bridge's token nor TensorLake's key.
    assert.equal(seen.authorization, undefined);
    const redirected = await ask("/redirect");
    assert.equal(redirected.headers.location, `${origin}/after`);
    await textOf(redirected);
  });

  test("a large body arrives whole", async () => {
    const body = randomBytes(5_000_000);
    const response = await ask("/", { method: "POST", body, headers: { "content-length": body.length } });
    assert.equal(await textOf(response), createHash("sha256").update(body).digest("hex"));
  });

  test("an answer streams while it is being made", async () => {
    const response = await ask("/stream");
    const [first] = await once(response.setEncoding("utf8"), "data");
    assert.match(first, /^data: 0\n\n/);
    assert.equal(response.complete, false);
    response.destroy();
  });

  test("a WebSocket passes both ways", async () => {
    const [hostname, port] = world.bridgeAddress.split(":");
    const socket = connect(Number(port), hostname);
    socket.write(
      `GET /ws HTTP/1.1\r\nHost: ${new URL(url).host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
    );
    let received = Buffer.alloc(0);
    socket.on("data", (bytes) => (received = Buffer.concat([received, bytes])));
    await eventually("the upgrade", () => received.includes("\r\n\r\n"));
    assert.match(received.toString(), /^HTTP\/1.1 101 /);
    received = received.subarray(received.indexOf("\r\n\r\n") + 4);
    // One masked text frame; a mask of zeros leaves the text as it is.
    socket.write(Buffer.concat([Buffer.from([0x81, 0x85, 0, 0, 0, 0]), Buffer.from("hello")]));
    await eventually("the echo", () => received.length >= 7);
    assert.deepEqual(received, Buffer.concat([Buffer.from([0x81, 5]), Buffer.from("hello")]));
    socket.destroy();
  });

  test("a name that is no preview's, or is only nearly one, shows nothing", async () => {
    const host = new URL(url).host;
    const wrong = host.replace(/preview-./, (text) => (text.endsWith("0") ? "preview-1" : "preview-0"));
    const answer = await ask("/", { host: wrong });
    assert.equal(answer.statusCode, 404);
    assert.match(await textOf(answer), /This preview has ended/);
    for (const other of [`x${host}`, host.replace(".localhost", ".localhost.example.com"), "localhost"]) {
      assert.equal((await ask("/seen", { host: other }).then(async (response) => (await textOf(response), response))).statusCode, 404);
    }
    // The bridge's own paths are not the preview's.
    assert.doesNotMatch(await textOf(await ask("/healthz")), /sandbridge/);
  });

  test("a port on which nothing listens says so", async () => {
    const { state } = await world.opencode.callTool(session, "preview_url", { port: 4322 });
    const answer = await ask("/", { host: new URL(state.metadata.url).host });
    assert.equal(answer.statusCode, 502);
    assert.match(await textOf(answer), /nothing listens on port 4322/);
  });

  test("a suspended sandbox is resumed by whoever opens the link", async () => {
    const { code, stderr } = await world.sandbridge("suspend", "--session", session);
    assert.equal(code, 0, stderr);
    const answer = await ask("/seen");
    assert.equal(answer.statusCode, 200);
    await textOf(answer);
  });

  test("a stream is cut and the link is closed when the session is deleted", async () => {
    const response = await ask("/stream");
    const ended = new Promise((resolve) => response.on("close", resolve).on("error", resolve).resume());
    await world.opencode.request("DELETE", `/session/${session}`);
    await ended;
    assert.equal(response.complete, false);
    // Until the deletion is done the link is there, and leads nowhere.
    await eventually("the link is closed", async () => {
      const answer = await ask("/seen");
      const text = await textOf(answer);
      assert.notEqual(answer.statusCode, 200);
      return answer.statusCode === 404 && /This preview has ended/.test(text);
    });
    assert.ok(!(await world.sessions()).some(({ id }) => id === session), "a request made a new sandbox");
  });
});
