// Files of a sandbox.

import { release, results } from "../capnp/answer.ts";
import { RpcError } from "../capnp/errors.ts";
import { Collector, pump, sinkInto, textOf } from "./bytes.ts";
import type { UseSession } from "./session.ts";
import type { Bytes, CallOptions, FileEntry, ReadOptions, SessionFiles } from "./types.ts";

const MAX_BYTES = 64 << 20;

export function sessionFiles(use: UseSession): SessionFiles {
  return {
    read: (path, options) => read(use, path, options),
    readText: async (path, options) => textOf(await read(use, path, options)),
    write: (path, content, options) => write(use, path, content, options),
    list: (path, options) => list(use, path, options),
    remove: (path, options) => remove(use, path, options),
  };
}

function read(use: UseSession, path: string, { signal, maxBytes = MAX_BYTES }: ReadOptions = {}): Promise<Uint8Array> {
  return use(async ({ files }) => {
    const collected = new Collector(maxBytes);
    const tooLong = new RpcError("failed", `${path} is longer than ${maxBytes} bytes`);
    const sink = sinkInto((bytes) => {
      collected.add(bytes);
      if (collected.truncated) throw tooLong;
    });
    try {
      await results(files.read((p) => {
        p.path = path;
        p.sink = sink;
      }), signal);
    } catch (error) {
      throw collected.truncated ? tooLong : error;
    }
    return collected.bytes();
  }, { signal, repeatable: true });
}

function write(use: UseSession, path: string, content: Bytes, { signal }: CallOptions = {}): Promise<void> {
  if (typeof content === "string") content = new TextEncoder().encode(content);
  return use(async ({ files }) => {
    const sink = files.write((p) => {
      p.path = path;
      if (content instanceof Uint8Array) p.size = BigInt(content.byteLength);
    }).getSink();
    try {
      await pump(content, sink, signal);
    } catch (error) {
      if (error instanceof RpcError && error.kind === "unavailable" && !(content instanceof Uint8Array)) {
        // Some of it is read already, so it cannot be sent again.
        throw new RpcError("interrupted", error.message, error.type);
      }
      throw error;
    } finally {
      release(sink);
    }
  }, { signal });
}

function list(use: UseSession, path: string, { signal }: CallOptions = {}): Promise<FileEntry[]> {
  return use(async ({ files }) => {
    const { entries } = await results(files.list((p) => {
      p.path = path;
    }), signal);
    return [...entries].map((entry) => ({
      name: entry.name,
      isDirectory: entry.isDirectory,
      size: Number(entry.size),
      modifiedAt: new Date(Number(entry.modifiedAt)),
    }));
  }, { signal, repeatable: true });
}

async function remove(use: UseSession, path: string, { signal }: CallOptions = {}): Promise<void> {
  await use(({ files }) => results(files.remove((p) => {
    p.path = path;
  }), signal), { signal });
}
