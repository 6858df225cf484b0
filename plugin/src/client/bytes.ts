// Bytes on their way into and out of ByteSink capabilities.

import { results } from "../capnp/answer.ts";
import { RpcError } from "../capnp/errors.ts";
import { ByteSink, type ByteSink$Client } from "../capnp/generated/sandbox-rpc.ts";
import type { Bytes } from "./types.ts";

/** Of one write. Well below the schema's 1 MiB, so that calls of others come in between. */
const CHUNK = 256 << 10;

/** A sink that hands each chunk on. The writer is held back until a returned promise resolves. */
export function sinkInto(take: (bytes: Uint8Array) => void | Promise<void>): ByteSink$Client {
  return new ByteSink.Server({
    async write(params) {
      const bytes = params.bytes.toUint8Array();
      // A view of the message, which stays as long as it; a small part of one is copied.
      await take(2 * bytes.byteLength >= bytes.buffer.byteLength ? bytes : bytes.slice());
    },
    async done() {},
  }).client();
}

/** The pieces of `content`, none longer than one write may be. */
async function* chunks(content: Bytes): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const pieces = typeof content === "string" || content instanceof Uint8Array ? [content] : content;
  for await (const piece of pieces) {
    const bytes = typeof piece === "string" ? encoder.encode(piece) : piece;
    for (let at = 0; at < bytes.byteLength; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
  }
}

/** Writes all of `content` and then says that it is done. */
export async function pump(content: Bytes, sink: ByteSink$Client, signal?: AbortSignal): Promise<void> {
  for await (const chunk of chunks(content)) {
    signal?.throwIfAborted();
    await results(sink.write((p) => {
      p._initBytes(chunk.byteLength).copyBuffer(chunk);
    }), signal);
  }
  await results(sink.done(), signal);
}

/** Keeps the first bytes of a stream. */
export class Collector {
  readonly #limit: number;
  #pieces: Uint8Array[] = [];
  #length = 0;
  truncated = false;

  constructor(limit: number) {
    this.#limit = limit;
  }
  add(bytes: Uint8Array): void {
    const room = this.#limit - this.#length;
    if (bytes.byteLength > room) this.truncated = true;
    const kept = bytes.byteLength > room ? bytes.subarray(0, room) : bytes;
    if (kept.byteLength === 0) return;
    this.#pieces.push(kept);
    this.#length += kept.byteLength;
  }
  bytes(): Uint8Array {
    const only = this.#pieces[0];
    if (this.#pieces.length === 1 && only) return only;
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.byteLength;
    }
    return all;
  }
  text(): string {
    return textOf(this.bytes());
  }
}

/** UTF-8 as text, with all that is there: a byte order mark stays, so that what is written back is the same. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** A whole number for the wire. */
export function count(name: string, value: number, max = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isFinite(value) || value < 0 || value > max) {
    throw new RpcError("invalidArgument", `${name} must be a number from 0 to ${max}, not ${value}`);
  }
  return Math.ceil(value);
}
