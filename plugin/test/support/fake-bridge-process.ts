// A bridge without sandboxes, in a process of its own, for the tests of the client's connection. It obeys lines on stdin (see
// fake-bridge.ts) and tells what happens on stdout.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { type WebSocket, WebSocketServer } from "ws";
import { RpcError } from "../../src/capnp/errors.ts";
import { Files, Handle, Processes, SandboxRpcApi, Session, type SessionListener$Client, Tools }
  from "../../src/capnp/generated/sandbox-rpc.ts";
import type { CallContext } from "../../src/capnp/local.ts";
import { Vat } from "../../src/capnp/vat.ts";
import type { Socket } from "../../src/capnp/outbox.ts";

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const untilAborted = (context: CallContext | undefined): Promise<never> =>
  new Promise((_, reject) => context?.signal.addEventListener("abort", () => reject(context.signal.reason), { once: true }));

let token = "secret";
let status = 0;
const sockets = new Set<WebSocket>();
const listeners = new Set<SessionListener$Client>();

const tools = new Tools.Server({
  async call(params, results, context?: CallContext) {
    const result = results._initResult();
    result.title = params.name;
    result.output = params.arguments;
    switch (params.name) {
      case "ask":
        await params.ui?.ask((p) => {
          const question = p._initQuestion();
          question.permission = "edit";
          question._initPatterns(1).set(0, "*.ts");
          question.metadata = '{"filepath":"a.ts"}';
        }).promise();
        break;
      case "print":
        for (const word of ["one ", "two ", "three"]) {
          const bytes = new TextEncoder().encode(word);
          await params.ui?.output((p) => p._initText(bytes.length).copyBuffer(bytes)).promise();
        }
        result.metadata = '{"exit":0}';
        break;
      case "hang":
        say("hanging");
        await untilAborted(context).catch(() => say("aborted"));
        break;
      case "bad-metadata":
        result.metadata = "[1]";
        break;
      case "attach": {
        const attachment = result._initAttachments(1).get(0);
        attachment.mime = "image/png";
        attachment._initData(3).copyBuffer(new Uint8Array([1, 2, 3]));
        break;
      }
      case "fail":
        result.failed = true;
        break;
    }
  },
});

const files = new Files.Server({
  async read(params) {
    for (let i = 0; i < 10; i++) await params.sink?.write((p) => p._initBytes(100_000)).promise();
    await params.sink?.done().promise();
  },
  async write() {},
  async list() {},
  async remove(params) {
    throw new RpcError("notFound", `there is no ${params.path}`);
  },
});

const session = new Session.Server({
  async prepare(_params: unknown, _results: unknown, context?: CallContext) {
    say("preparing");
    await untilAborted(context);
  },
  async info(_params, results) {
    results._initInfo().status = "none";
  },
  async tools(_params, results) {
    results.tools = tools.client();
  },
  async files(_params, results) {
    results.files = files.client();
  },
  async processes(_params, results) {
    results.processes = new Processes.Server({ async start() {} }).client();
  },
  async suspend() {},
  async destroy() {},
});

const api = new SandboxRpcApi.Server({
  async hello(params, results) {
    say(`hello ${params.client.name}`);
    const server = results._initServer();
    server.name = "fake";
    server._initTools(1).set(0, "echo");
  },
  async session(params, results) {
    if (params.key.id === "") throw new RpcError("invalidArgument", "a session's id is not empty");
    say(`session ${params.key.id} ${params.key.root} ${params.options.image}`);
    results.session = session.client();
  },
  async sessions() {},
  async watch(params, results) {
    const { listener } = params;
    if (!listener) throw new RpcError("invalidArgument", "no listener");
    listeners.add(listener);
    say("watch");
    results.handle = new Handle.Server({}).client();
  },
  async ping() {
    say("ping");
  },
});

const http = createServer((_request, response) => response.writeHead(426).end("This is an RPC endpoint"));
const upgrades = new WebSocketServer({ noServer: true });
http.on("upgrade", (request, socket, head) => {
  const wrong = request.headers.authorization !== `Bearer ${token}`;
  if (status || wrong) {
    say(`refused ${request.headers.authorization}`);
    socket.end(`HTTP/1.1 ${status || 401} No\r\nContent-Length: 6\r\nConnection: close\r\n\r\nbecause`.slice(0, -1));
    return;
  }
  upgrades.handleUpgrade(request, socket, head, (webSocket) => {
    sockets.add(webSocket);
    webSocket.on("close", () => sockets.delete(webSocket));
    webSocket.on("error", () => {});
    new Vat(webSocket as unknown as Socket, api);
  });
});

createInterface({ input: process.stdin }).on("line", (line) => {
  const [command, argument = ""] = line.split(" ");
  switch (command) {
    case "drop":
      for (const socket of sockets) socket.terminate();
      break;
    case "mute":
      for (const socket of sockets) socket.pause();
      break;
    case "garbage":
      for (const socket of sockets) socket.send(new Uint8Array([1, 2, 3]));
      break;
    case "token":
      token = argument;
      break;
    case "status":
      status = Number(argument);
      break;
    case "reset":
      token = "secret";
      status = 0;
      listeners.clear();
      for (const socket of sockets) socket.terminate();
      break;
    case "event":
      for (const listener of listeners) {
        listener.event((p) => {
          const event = p._initEvent();
          event.sessionId = argument;
          event.text = "it was made";
        }).promise().catch(() => listeners.delete(listener));
      }
      break;
  }
  say(`ok ${line}`);
}).on("close", () => process.exit(0));

http.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => say(`port ${(http.address() as { port: number }).port}`));
