// Outgoing messages. What one turn of the event loop produces leaves in one frame: a system call for each message would be
// over half of the cost of a small call.

import { joinFrame } from "./framing.ts";

/** What the vat needs of a WebSocket; those of Bun and of `ws` both are one. */
export interface Socket {
  binaryType: string;
  readonly readyState: number;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code?: number; readonly reason?: string }) => void) | null;
  onerror: ((event: object) => void) | null;
  send(data: Uint8Array): void;
  close(code?: number): void;
}

const OPEN = 1;

/** A longer message has a frame of its own. */
const MAX_JOINED = 1 << 20;

export class Outbox {
  readonly #socket: Socket;
  #messages: Uint8Array[] = [];
  #byteLength = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  add(message: Uint8Array): void {
    if (this.#byteLength + message.byteLength > MAX_JOINED) this.flush();
    if (this.#messages.push(message) === 1) queueMicrotask(() => this.flush());
    this.#byteLength += message.byteLength;
  }

  flush(): void {
    const messages = this.#messages;
    const byteLength = this.#byteLength;
    this.#messages = [];
    this.#byteLength = 0;
    // One that is closing tells the vat, which fails what was asked.
    if (messages.length > 0 && this.#socket.readyState === OPEN) this.#socket.send(joinFrame(messages, byteLength));
  }
}
