// Ports of a sandbox from outside: tunnels, exposed ports, and the rules of both.

import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { before, describe, it } from "node:test";

import { quick, useCloud } from "./support.mjs";

const cloud = useCloud();

// Answers with the request as it arrived.
const MIRROR = `
import http.server, json
class Mirror(http.server.BaseHTTPRequestHandler):
  def do_GET(self):
    text = json.dumps({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
    self.send_response(200); self.send_header("Content-Length", str(len(text))); self.end_headers(); self.wfile.write(text)
  def log_message(self, *rest): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Mirror).serve_forever()
`;
const ECHO = `
import socketserver
class Echo(socketserver.BaseRequestHandler):
  def handle(self):
    while bytes := self.request.recv(65536): self.request.sendall(bytes)
class Server(socketserver.ThreadingTCPServer): allow_reuse_address = True
Server(("127.0.0.1", 7000), Echo).serve_forever()
`;

// fetch() does not let the Host be chosen.
function get(host, path, headers = {}) {
  return new Promise((resolve, reject) => {
    const { port } = new URL(cloud.url);
    const request = http.get({ host: "127.0.0.1", port, path, headers: { host: `${host}:${port}`, ...headers } }, (answer) => {
      let body = "";
      answer.on("data", (data) => (body += data));
      answer.on("end", () => resolve({ status: answer.statusCode, json: JSON.parse(body) }));
      answer.on("error", reject);
    });
    request.on("error", reject);
  });
}

describe("the ports of a sandbox", () => {
  let sandbox, client, id;
  const bearer = () => ({ authorization: `Bearer ${cloud.key}` });

  before(async () => {
    sandbox = await cloud.create({ name: "ports", timeoutSecs: 600 });
    client = cloud.client();
    id = (await sandbox.info()).sandboxId;
    for (const [script, port] of [[MIRROR, 8080], [ECHO, 7000]]) {
      await sandbox.startProcess("python3", { args: ["-c", script] });
      const up = `for i in $(seq 200); do (exec 3<>/dev/tcp/127.0.0.1/${port}) 2>/dev/null && exit 0; sleep 0.05; done; exit 1`;
      assert.equal((await sandbox.run("bash", { args: ["-c", up] })).exitCode, 0);
    }
  });

  it("are reached through a tunnel, exposed or not", async () => {
    const tunnel = await sandbox.createTunnel(7000, { localPort: 0 });
    try {
      const { host, port } = tunnel.address();
      const sent = Buffer.alloc(4 << 20, "tunnel");
      const received = await new Promise((resolve, reject) => {
        const socket = net.connect(port, host);
        const parts = [];
        let size = 0;
        socket.on("data", (data) => {
          parts.push(data);
          size += data.length;
          if (size === sent.length) socket.end();
        });
        socket.on("close", () => resolve(Buffer.concat(parts)));
        socket.on("error", reject);
        socket.write(sent);
      });
      assert.ok(received.equals(sent));
    } finally {
      await tunnel.close();
    }
  });

  it("are closed from outside until they are exposed, and then want the token", async () => {
    assert.equal((await get(`8080-${id}.localhost`, "/")).status, 401);
    assert.equal((await get(`8080-${id}.localhost`, "/", bearer())).json.code, "PORT_NOT_EXPOSED");
    await client.exposePorts(id, [8080], { allowUnauthenticatedAccess: false });
    assert.equal((await get(`8080-${id}.localhost`, "/")).status, 401);
    const answer = await get("8080-ports.local", "/a/b?c=d", { ...bearer(), "x-tensorlake-sandbox-id": "x", "x-own": "1" });
    assert.equal(answer.status, 200);
    assert.equal(answer.json.path, "/a/b?c=d");
    assert.equal(answer.json.headers["x-own"], "1");
    assert.equal(answer.json.headers.authorization, undefined);
    assert.equal(answer.json.headers["x-tensorlake-sandbox-id"], undefined);
  });

  it("are open to everybody once that is asked for, at the address that the SDK derives", async () => {
    await client.exposePorts(id, [8080, 9000], { allowUnauthenticatedAccess: true });
    const access = await client.getPortAccess(id);
    assert.deepEqual([access.exposedPorts, access.allowUnauthenticatedAccess], [[8080, 9000], true]);
    const { hostname } = new URL(cloud.sdk.sandboxUrlFromIngressEndpoint(access.ingressEndpoint, id, 8080));
    assert.equal(hostname, `8080-${id}.localhost`);
    assert.equal((await get(hostname, "/")).status, 200);
    assert.equal((await get(`9000-${id}.localhost`, "/")).json.code, "CONNECTION_REFUSED");
    // The token is never the application's; another Authorization is.
    assert.equal((await get(hostname, "/", bearer())).json.headers.authorization, undefined);
    assert.equal((await get(hostname, "/", { authorization: "Basic eA==" })).json.headers.authorization, "Basic eA==");
    // The management API stays behind the token.
    assert.equal((await get(`9501-${id}.localhost`, "/api/v1/health")).status, 401);
    assert.equal((await get(`9501-${id}.localhost`, "/api/v1/health", bearer())).status, 200);
  });

  it("are used by the pages of their own sandbox only", async () => {
    const host = `8080-${id}.localhost`;
    const { port } = new URL(cloud.url);
    const status = async (headers) => (await get(host, "/", headers)).status;
    assert.equal(await status({ origin: `http://${host}:${port}` }), 200);
    assert.equal(await status({ origin: `http://9000-ports.localhost:${port}` }), 200);
    assert.equal(await status({ origin: "https://example.com" }), 403);
    assert.equal(await status({ origin: "null" }), 403);
    assert.equal(await status({ "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }), 403);
    assert.equal(await status({ "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }), 200);
    // The API itself is for no page, not even with the token.
    const list = (headers) => get("127.0.0.1", "/sandboxes", { ...bearer(), ...headers });
    assert.equal((await list({})).status, 200);
    assert.equal((await list({ origin: `http://${host}:${port}` })).status, 403);
    assert.equal((await list({ "sec-fetch-site": "same-site" })).status, 403);
  });

  it("wake their sandbox", async () => {
    await sandbox.suspend(quick);
    assert.equal((await get(`8080-${id}.localhost`, "/")).status, 200);
    assert.equal(await sandbox.status(), "running");
  });

  it("are closed again", async () => {
    await client.unexposePorts(id, [8080]);
    assert.equal((await get(`8080-${id}.localhost`, "/")).json.code, "PORT_NOT_EXPOSED");
    await assert.rejects(client.exposePorts(id, [9501]));
  });
});
