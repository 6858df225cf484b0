import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { release } from "../src/capnp/answer.ts";
import { RpcError } from "../src/capnp/errors.ts";
import type { TestSink$Client } from "./support/generated/vat-test.ts";
import { type Peer, VatServer, collectUntil, failure, testSink } from "./support/vat-server.ts";

let server: VatServer;
let peer: Peer;
before(async () => {
  server = await VatServer.start();
  peer = await server.connect();
});
after(() => server.stop());

interface Behaviour {
  number?(value: number): void;
  wait?(): Promise<void>;
}
const sinkOf = (behaviour: Behaviour): TestSink$Client => testSink({
  async number(params, results) {
    behaviour.number?.(params.value);
    results.value = params.value;
  },
  async wait() {
    await behaviour.wait?.();
  },
});
const number = async (sink: TestSink$Client, value: number): Promise<number> =>
  (await sink.number((p) => {
    p.value = value;
  }).promise()).value;
const sessions = async (): Promise<number> => (await peer.api.stats().promise()).sessions;

describe("callbacks", () => {
  test("the peer calls what it was given", async () => {
    let called = 0;
    await peer.api.hangOn((p) => {
      p.sink = sinkOf({ wait: async () => void called++ });
    }).promise();
    assert.equal(called, 1);
  });

  test("what a callback throws comes back as the peer passes it on", async () => {
    const error = await failure(peer.api.hangOn((p) => {
      p.sink = sinkOf({ wait: () => Promise.reject(new RpcError("denied", "the user said no")) });
    }).promise());
    assert.ok(error instanceof RpcError);
    assert.deepEqual([error.kind, error.message], ["denied", "the user said no"]);
  });

  test("a callback that throws at once, and no RpcError, fails its call alone", async () => {
    const error = await failure(peer.api.hangOn((p) => {
      p.sink = sinkOf({ wait() { throw new TypeError("boom"); } });
    }).promise());
    assert.match((error as Error).message, /^boom$/);
    assert.equal((await peer.api.echo((p) => p._initData(1)).promise()).data.toUint8Array().length, 1);
  });
});

describe("null capabilities", () => {
  test("one that is not set reads as null, not as its neighbour", async () => {
    const { first, second } = await peer.api.twoSinks().promise();
    assert.equal(second, null);
    assert.equal(await number(first ?? assert.fail("first is null too"), 5), 5);
  });

  test("one that is not given arrives as null", async () => {
    assert.equal((await peer.api.hasSink().promise()).present, false);
    assert.equal((await peer.api.hasSink((p) => {
      p.sink = null;
    }).promise()).present, false);
    assert.equal((await peer.api.hasSink((p) => {
      p.sink = sinkOf({});
    }).promise()).present, true);
  });

  test("a call on one fails", async () => {
    const error = await failure(number(peer.api.twoSinks().getSecond(), 1));
    assert.match((error as Error).message, /null capability/i);
  });
});

describe("capabilities that come back", () => {
  test("our own one works when it comes back", async () => {
    const seen: number[] = [];
    const { sink } = await peer.api.same((p) => {
      p.sink = sinkOf({ number: (n) => void seen.push(n) });
    }).promise();
    assert.equal(await number(sink ?? assert.fail("null"), 9), 9);
    assert.deepEqual(seen, [9]);
  });

  for (const method of ["same", "sameLate"] as const) {
    test(`calls on it keep their order over its return (${method})`, async () => {
      const seen: number[] = [];
      const answer = peer.api[method]((p) => {
        p.sink = sinkOf({ number: (n) => void seen.push(n) });
      });
      const sink = answer.getSink();
      const calls: Promise<number>[] = [];
      for (let i = 0; i < 20; i++) calls.push(number(sink, i)); // the long way round
      if (method === "sameLate") await peer.api.resolveLate().promise();
      const returned = (await answer.promise()).sink ?? assert.fail("null");
      for (let i = 20; i < 40; i++) calls.push(number(i % 2 ? sink : returned, i)); // straight
      assert.deepEqual(await Promise.all(calls), Array.from({ length: 40 }, (_, i) => i));
      assert.deepEqual(seen, Array.from({ length: 40 }, (_, i) => i));
    });
  }

  test("the peer's own one, promised or held, works when it is handed back", async () => {
    const upload = peer.api.openSession((p) => {
      p.id = "u";
    }).getSession().upload();
    const promised = peer.api.same((p) => {
      p.sink = upload.getSink();
    }).getSink();
    assert.equal(await number(promised, 3), 3);
    const { sink } = await upload.promise();
    const held = peer.api.same((p) => {
      p.sink = sink;
    }).getSink();
    assert.equal(await number(held, 4), 4);
  });

  test("one of another connection is passed on", async () => {
    const other = await server.connect();
    const { sink } = await other.api.openSession().getSession().upload().promise();
    const passed = peer.api.same((p) => {
      p.sink = sink;
    }).getSink();
    assert.equal(await number(passed, 11), 11);
  });
});

describe("promised capabilities", () => {
  test("called before and after they resolve", async () => {
    const answer = peer.api.lateSession();
    const early = answer.getSession().name().promise();
    const session = (await answer.promise()).session ?? assert.fail("null");
    const between = session.name().promise();
    await peer.api.resolveLate().promise();
    assert.equal((await early).id, "late");
    assert.equal((await between).id, "late");
    assert.equal((await session.name().promise()).id, "late");
  });
});

describe("release", () => {
  test("by hand", async () => {
    const was = await sessions();
    const session = (await peer.api.openSession().promise()).session ?? assert.fail("null");
    assert.equal(await sessions(), was + 1);
    release(session);
    assert.equal(await sessions(), was);
    assert.match((await failure(session.name().promise()) as Error).message, /released/);
  });

  test("by hand before it is there", async () => {
    const was = await sessions();
    const opening = peer.api.openSession();
    release(opening.getSession());
    await opening.promise();
    assert.equal(await sessions(), was);
  });

  test("5000 sessions and sinks leave nothing behind", async () => {
    const fresh = await server.connect();
    for (let i = 0; i < 5000; i += 100) {
      await Promise.all(Array.from({ length: 100 }, async () => {
        await fresh.api.openSession().promise();
        await fresh.api.hasSink((p) => {
          p.sink = sinkOf({});
        }).promise();
        await fresh.api.same((p) => {
          p.sink = sinkOf({});
        }).promise();
      }));
    }
    await collectUntil(async () => (await fresh.api.stats().promise()).sessions <= 2 && fresh.vat.stats.imports <= 1);
    // The bootstrap interface is held by the bootstrap question's answer; engines may keep the last call's too.
    const { imports, ...rest } = fresh.vat.stats;
    assert.deepEqual(rest, { questions: 0, answers: 0, exports: 0 });
    assert.ok(imports <= 2, `${imports} imports`);
    assert.ok((await sessions()) <= 3);
  });
});
