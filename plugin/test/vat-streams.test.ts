import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RpcError } from "../src/capnp/errors.ts";
import { STREAM_WINDOW } from "../src/capnp/stream-window.ts";
import type { TestSink$Client } from "./support/generated/vat-test.ts";
import { type Peer, VatServer, failure, testSink } from "./support/vat-server.ts";

let server: VatServer;
let peer: Peer;
before(async () => {
  server = await VatServer.start();
  peer = await server.connect();
});
after(() => server.stop());

const CHUNK = 64 << 10;
const write = async (sink: TestSink$Client, chunk: Uint8Array): Promise<void> => {
  await sink.write((p) => p._initChunk(chunk.length).copyBuffer(chunk)).promise();
};
const roundTrip = async (): Promise<"answered"> => {
  await peer.api.stats().promise();
  return "answered";
};
const upload = (): TestSink$Client => peer.api.openSession().getSession().upload().getSink();

describe("streams that we write", () => {
  test("all of it is there when done returns", async () => {
    const sink = upload();
    for (let i = 0; i < 200; i++) await write(sink, new Uint8Array(CHUNK));
    assert.equal((await sink.done().promise()).total, BigInt(200 * CHUNK));
  });

  test("done does not overtake writes that nobody waited for", async () => {
    const sink = upload();
    for (let i = 0; i < 40; i++) void write(sink, new Uint8Array(CHUNK));
    assert.equal((await sink.done().promise()).total, BigInt(40 * CHUNK));
  });

  test("the writer waits while a window's worth is unanswered, and goes on when it is answered", async () => {
    const sink = (await peer.api.stalledSink().promise()).sink ?? assert.fail("null");
    let accepted = 0;
    let blocked: Promise<void> | undefined;
    while (!blocked && accepted < 100) {
      const writing = write(sink, new Uint8Array(CHUNK));
      // By the third round trip any number of ready promises has settled.
      const first = await Promise.race([writing, roundTrip().then(roundTrip).then(roundTrip)]);
      if (first === "answered") blocked = writing;
      else accepted++;
    }
    assert.ok(blocked, "never held back");
    const perWindow = STREAM_WINDOW / CHUNK;
    assert.ok(accepted >= perWindow - 2 && accepted <= perWindow, `${accepted} chunks`);
    // A stream that stands still holds up nobody else.
    const other = upload();
    await write(other, new Uint8Array(CHUNK));
    await peer.api.flow().promise();
    await blocked;
    await write(sink, new Uint8Array(1));
    assert.equal((await sink.done().promise()).total, BigInt((accepted + 1) * CHUNK + 1));
  });

  test("a failed write fails the later ones and done", async () => {
    const sink = (await peer.api.openSession().getSession().upload().promise()).sink ?? assert.fail("null");
    await write(sink, new Uint8Array(1));
    await write(sink, new TextEncoder().encode("!"));
    await roundTrip();
    assert.match((await failure(write(sink, new Uint8Array(1))) as Error).message, /a chunk that fails/);
    assert.match((await failure(sink.done().promise()) as Error).message, /a chunk that fails/);
  });

  test("a writer that waits is told of the failure", async () => {
    const { api, vat } = await server.connect();
    const sink = (await api.stalledSink().promise()).sink ?? assert.fail("null");
    const writes = Array.from({ length: 20 }, () => write(sink, new Uint8Array(CHUNK)));
    const last = failure(writes.at(-1) ?? assert.fail());
    for (const one of writes) one.catch(() => {});
    await api.stats().promise();
    vat.close("gone");
    assert.equal((await last as Error).message, "gone");
  });
});

describe("streams that are written to us", () => {
  test("arrive whole, in order, one at a time, and done last", async () => {
    let total = 0;
    let running = 0;
    let done = false;
    const sink = testSink({
      async write({ chunk }) {
        assert.equal(running++, 0);
        assert.equal(done, false);
        await new Promise((resolve) => setImmediate(resolve));
        total += chunk.toUint8Array().length;
        running--;
      },
      async done() {
        assert.equal(running, 0);
        done = true;
      },
    });
    await peer.api.pump((p) => {
      p.bytes = 4_000_001n;
      p.chunk = 50_000;
      p.sink = sink;
    }).promise();
    assert.deepEqual([total, done], [4_000_001, true]);
  });

  test("are held back while the sink does not take them", async () => {
    const size = 8 << 20;
    let arrived = 0;
    let taken = 0;
    let most = 0;
    const gates: (() => void)[] = [];
    const sink = testSink({
      async write({ chunk }) {
        arrived += chunk.toUint8Array().length;
        await new Promise<void>((resolve) => gates.push(resolve));
        taken += chunk.toUint8Array().length;
      },
      async done() {},
    });
    const pumping = peer.api.pump((p) => {
      p.bytes = BigInt(size);
      p.chunk = CHUNK;
      p.sink = sink;
    }).promise();
    while (taken < size) {
      await roundTrip();
      // What this side holds unanswered: what runs, and what waits for it.
      most = Math.max(most, peer.vat.stats.answers);
      gates.shift()?.();
    }
    await pumping;
    assert.equal(arrived, size);
    assert.ok(most > 1 && most <= STREAM_WINDOW / CHUNK + 1, `${most} writes unanswered`);
  });

  test("a sink that fails ends the writer with its own words", async () => {
    let writes = 0;
    const sink = testSink({
      async write() {
        if (++writes === 3) throw new RpcError("failed", "the disk is full");
      },
      async done() {
        assert.fail("done after a failed write");
      },
    });
    const error = await failure(peer.api.pump((p) => {
      p.bytes = 10_000_000n;
      p.chunk = 10_000;
      p.sink = sink;
    }).promise());
    assert.match((error as Error).message, /^the disk is full$/);
    assert.equal(writes, 3);
  });
});
