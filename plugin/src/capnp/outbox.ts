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
  #scheduled: "no" | "later" | "now" = "no";

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** `urgent`: somebody waits for what this leads to. What is not may wait for what arrives in the same moment. */
  add(message: Uint8Array, urgent: boolean): void {
    if (this.#byteLength + message.byteLength > MAX_JOINED) this.flush();
    this.#messages.push(message);
    this.#byteLength += message.byteLength;
    if (urgent && this.#scheduled !== "now") {
      this.#scheduled = "now";
      queueMicrotask(() => this.flush());
    } else if (this.#scheduled === "no") {
      this.#scheduled = "later";
      setImmediate(() => this.flush());
    }
  }

  flush(): void {
    const messages = this.#messages;
    const byteLength = this.#byteLength;
    this.#messages = [];
    this.#byteLength = 0;
    this.#scheduled = "no";
    // One that is closing tells the vat, which fails what was asked.
    if (messages.length > 0 && this.#socket.readyState === OPEN) this.#socket.send(joinFrame(messages, byteLength));
  }
}
