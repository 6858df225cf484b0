// Opening a WebSocket with the bridge's token: by Bun's own class, which knows headers, or by the `ws` package in Node.

import type { IncomingMessage } from "node:http";
import { MAX_FRAME } from "../capnp/framing.ts";
import type { Socket } from "../capnp/outbox.ts";

/** Why there is no connection. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
  /** The HTTP status, when the other side answered with something else than a WebSocket. */
  readonly status: number | undefined;
  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

export interface ClosableSocket extends Socket {
  /** Ends the connection without waiting for the other side. */
  terminate(): void;
}

/** An open socket, or a ConnectError; after `timeoutMs` at the latest, or when `signal` fires. */
export async function openSocket(
  url: string, token: string, timeoutMs: number, signal: AbortSignal,
): Promise<ClosableSocket> {
  signal.throwIfAborted();
  const headers = { Authorization: `Bearer ${token}` };
  const socket = "Bun" in globalThis ? openInBun(url, headers) : await openInNode(url, headers);
  try {
    return await opened(socket, timeoutMs, signal);
  } catch (error) {
    if (error instanceof ConnectError && error.status === undefined && "Bun" in globalThis) {
      throw (await refusal(url, headers, timeoutMs)) ?? error;
    }
    throw error;
  }
}

interface OpeningSocket extends ClosableSocket {
  onopen: (() => void) | null;
  /** Set when the server has answered with something else. */
  refused?: Promise<ConnectError>;
}

function opened(socket: OpeningSocket, timeoutMs: number, signal: AbortSignal): Promise<ClosableSocket> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      socket.onopen = socket.onerror = socket.onclose = null;
      if (!error) return resolve(socket);
      // What a socket that was given up has to say is of no interest, but must be heard.
      socket.onerror = () => {};
      socket.terminate();
      reject(error);
    };
    const abort = (): void => settle(signal.reason);
    const timer = setTimeout(() => settle(new ConnectError(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
    signal.addEventListener("abort", abort, { once: true });
    socket.onopen = () => settle();
    socket.onerror = (event) => {
      const text = (event as { message?: string }).message;
      settle(new ConnectError(text || "the connection could not be made"));
    };
    socket.onclose = (event) => settle(new ConnectError(event.reason || "the connection was closed at once"));
    socket.refused?.then(settle, settle);
  });
}

function openInBun(url: string, headers: Record<string, string>): OpeningSocket {
  // Bun's class takes headers where the standard one takes protocols.
  const BunSocket = WebSocket as unknown as new (url: string, options: object) => OpeningSocket;
  return new BunSocket(url, { headers });
}

/** What the server says to a plain request, since Bun does not tell how it answered to the upgrade. */
async function refusal(url: string, headers: Record<string, string>, timeoutMs: number): Promise<ConnectError | undefined> {
  const upgrade = {
    ...headers, Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": btoa("sandbridge-probe"),
  };
  try {
    const answer = await fetch(url.replace(/^ws/, "http"), {
      headers: upgrade, redirect: "manual", signal: AbortSignal.timeout(timeoutMs),
    });
    if (answer.status === 101) return undefined;
    return new ConnectError((await answer.text()).slice(0, 300).trim(), answer.status);
  } catch {
    // Then what the socket said is all there is to know.
    return undefined;
  }
}

// A mask keeps a hostile sender from forging HTTP for proxies on the way that do not know WebSockets. Where there are none
// it would be a third of the cost of sending: the mask of zeros leaves the bytes as they are.
const noMask = (mask: Uint8Array): void => void mask.fill(0);

function isPrivate(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === "wss:" || hostname === "localhost" || hostname === "[::1]" || /^127\.[\d.]+$/.test(hostname);
}

async function openInNode(url: string, headers: Record<string, string>): Promise<OpeningSocket> {
  const { WebSocket: NodeSocket } = await import("ws");
  const socket = new NodeSocket(url, {
    headers, maxPayload: MAX_FRAME, perMessageDeflate: false, ...(isPrivate(url) && { generateMask: noMask }),
  });
  const opening = socket as unknown as OpeningSocket;
  opening.refused = new Promise((resolve) => {
    socket.on("unexpected-response", (request, response: IncomingMessage) => {
      let text = "";
      const end = (): void => {
        request.destroy();
        resolve(new ConnectError(text.slice(0, 300).trim(), response.statusCode));
      };
      response.setEncoding("utf8");
      response.on("data", (data: string) => {
        text += data;
        if (text.length > 300) end();
      });
      response.on("end", end);
      response.on("error", end);
    });
  });
  return opening;
}
