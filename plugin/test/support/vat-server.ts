// The C++ library's vat (test/vat-server), as a process of each test file's own.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Server } from "capnp-es";
import { Vat } from "../../src/capnp/vat.ts";
import { type ClosableSocket, openSocket } from "../../src/client/socket.ts";
import { TestSink, type TestSink$Client, type TestSink$Server$Target, VatTest, type VatTest$Client } from "./generated/vat-test.ts";

const project = join(dirname(fileURLToPath(import.meta.url)), "../../..");

function binary(): string {
  const bridge = process.env["SANDBRIDGE_BINARY"] ?? join(project, "build/sandbridge");
  const path = process.env["SANDBRIDGE_VAT_SERVER"] ?? join(dirname(bridge), "vat-server");
  if (!existsSync(path)) throw new Error(`${path} is not there: build the project, or set SANDBRIDGE_VAT_SERVER`);
  return path;
}

export interface Peer {
  readonly vat: Vat;
  readonly api: VatTest$Client;
}

export class VatServer {
  readonly #process: ChildProcess;
  readonly #url: string;
  readonly #vats: Vat[] = [];

  private constructor(child: ChildProcess, url: string) {
    this.#process = child;
    this.#url = url;
  }

  static async start(): Promise<VatServer> {
    const child = spawn(binary(), { stdio: ["pipe", "pipe", "inherit"] });
    const port = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).once("line", resolve);
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`vat-server ended with ${code}`)));
    });
    return new VatServer(child, `ws://127.0.0.1:${port}/`);
  }

  /** `onSend` sees each frame that leaves. */
  async connect(main?: Server, onSend?: (bytes: Uint8Array) => void): Promise<Peer> {
    const socket: ClosableSocket = await openSocket(this.#url, "none", 10_000, new AbortController().signal);
    if (onSend) {
      const send = socket.send.bind(socket);
      socket.send = (bytes) => {
        onSend(bytes);
        send(bytes);
      };
    }
    const vat = new Vat(socket, main);
    this.#vats.push(vat);
    return { vat, api: vat.bootstrap(VatTest) };
  }

  /** `expected`: the exit code of a server that a test has crashed. */
  async stop(expected = 0): Promise<void> {
    for (const vat of this.#vats) vat.close();
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.stdin?.end();
    const code = await ended;
    // A sanitizer's build says by its exit code what it has found.
    if (code !== expected) throw new Error(`vat-server ended with ${code}`);
  }
}

/** A sink of ours that does nothing where it is not told otherwise. */
export function testSink(behaviour: Partial<TestSink$Server$Target>): TestSink$Client {
  return new TestSink.Server({
    async write() {},
    async done() {},
    async number() {},
    async wait() {},
    ...behaviour,
  }).client();
}

/** Runs the garbage collector until `done` says so; gives up after a while, and lets the test say what is wrong. */
export async function collectUntil(done: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200 && !(await done()); i++) {
    const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
    if (gc) gc();
    else if (Bun) Bun.gc(true);
    else throw new Error("run Node with --expose-gc");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What a promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`did not fail, but gave ${String(value)}`);
}
