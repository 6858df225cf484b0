import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RpcError } from "../src/capnp/errors.ts";
import { type Peer, VatServer, failure } from "./support/vat-server.ts";

let server: VatServer;
let peer: Peer;
before(async () => {
  server = await VatServer.start();
  peer = await server.connect();
});
after(() => server.stop());

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7) & 255);
const echo = async (data: Uint8Array, on = peer): Promise<Uint8Array> =>
  (await on.api.echo((p) => p._initData(data.length).copyBuffer(data)).promise()).data.toUint8Array();
const fails = async (reason: string, type = 0): Promise<RpcError> => {
  const error = await failure(peer.api.fail((p) => {
    p.reason = reason;
    p.type = type;
  }).promise());
  assert.ok(error instanceof RpcError);
  return error;
};

describe("calls", () => {
  test("a call returns its result", async () => {
    assert.deepEqual(await echo(bytes(1000)), bytes(1000));
  });

  test("an empty blob stays one", async () => {
    assert.equal((await echo(new Uint8Array())).length, 0);
  });

  test("a result of 16 MiB arrives whole", async () => {
    const big = bytes(16 << 20);
    assert.equal(Buffer.compare(await echo(big), big), 0);
  });

  test("many calls at once get each its own answer", async () => {
    const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => echo(bytes(i))));
    answers.forEach((answer, i) => assert.deepEqual(answer, bytes(i)));
  });

  test("the calls of one turn leave in one frame", async () => {
    let frames = 0;
    const counted = await server.connect(undefined, () => frames++);
    await echo(bytes(1), counted);
    const before = frames;
    const answers = Array.from({ length: 50 }, (_, i) => echo(bytes(i), counted));
    await Promise.resolve();
    assert.equal(frames, before + 1);
    await Promise.all(answers);
  });

  test("a frame joins no more than 1 MiB", async () => {
    let longest = 0;
    const counted = await server.connect(undefined, (frame) => {
      longest = Math.max(longest, frame.byteLength);
    });
    await Promise.all(Array.from({ length: 40 }, () => echo(bytes(100_000), counted)));
    assert.ok(longest <= 1 << 20, `${longest} bytes`);
  });

  test("results that were never written read as their defaults", async () => {
    const results = await peer.api.wide().promise();
    assert.deepEqual([results.text, results.number, results.flag], ["", 0n, false]);
  });

  test("a message that the bridge would hang up on fails alone", async () => {
    const error = await failure(echo(new Uint8Array(31 << 20)));
    assert.ok(error instanceof RpcError);
    assert.equal(error.kind, "invalidArgument");
    assert.deepEqual(await echo(bytes(3)), bytes(3));
  });

  test("parameters that throw while they are written fail the call alone", async () => {
    const thrown = new Error("not today");
    const error = await failure(peer.api.echo(() => {
      throw thrown;
    }).promise());
    assert.equal(error, thrown);
    assert.deepEqual(await echo(bytes(3)), bytes(3));
  });
});

describe("pipelining", () => {
  test("a call on a result that is not there yet", async () => {
    const session = peer.api.openSession((p) => {
      p.id = "a";
    }).getSession();
    assert.equal((await session.name().promise()).id, "a");
  });

  test("a call on a result that never comes fails for the same reason", async () => {
    const opening = peer.api.openSession((p) => {
      p.id = "bad";
    });
    const error = await failure(opening.getSession().name().promise());
    assert.match((error as Error).message, /no such session/);
    // And after the failure is known here.
    assert.match((await failure(opening.getSession().name().promise()) as Error).message, /no such session/);
  });

  test("two levels deep in one turn", async () => {
    const sink = peer.api.openSession((p) => {
      p.id = "b";
    }).getSession().upload().getSink();
    assert.equal((await sink.number((p) => {
      p.value = 7;
    }).promise()).value, 7);
  });
});

describe("exceptions", () => {
  test("carry their kind and their sentence", async () => {
    const error = await fails("notFound: there is no such file: /a");
    assert.deepEqual([error.kind, error.message, error.type], ["notFound", "there is no such file: /a", "failed"]);
  });

  test("of a kind that is not known are of kind failed, text and all", async () => {
    const error = await fails("weird: something");
    assert.deepEqual([error.kind, error.message], ["failed", "weird: something"]);
  });

  test("without a kind go by their type", async () => {
    assert.deepEqual([(await fails("x", 0)).kind, (await fails("x", 1)).kind, (await fails("x", 2)).kind],
      ["failed", "unavailable", "interrupted"]);
    assert.equal((await fails("x", 2)).type, "disconnected");
  });

  test("that went through another connection have their kind still", async () => {
    const error = await fails("remote exception: remote exception: denied: you may not");
    assert.deepEqual([error.kind, error.message], ["denied", "you may not"]);
  });

  test("a method that the server lacks is unimplemented", async () => {
    const error = await failure(peer.api.nowhere().promise());
    assert.equal((error as RpcError).type, "unimplemented");
  });
});

describe("the end of a connection", () => {
  test("fails the calls under way as interrupted, later ones as unavailable", async () => {
    const doomed = await VatServer.start();
    try {
      const { api, vat } = await doomed.connect();
      const hanging = api.hang();
      const under = failure(hanging.promise());
      const pipelined = failure(api.lateSession().getSession().name().promise());
      await api.stats().promise();
      api.crash();
      assert.equal((await under as RpcError).kind, "interrupted");
      assert.equal((await pipelined as RpcError).kind, "interrupted");
      assert.equal((await vat.whenClosed).type, "disconnected");
      assert.equal((await failure(api.stats().promise()) as RpcError).kind, "unavailable");
      assert.deepEqual(vat.stats, { questions: 0, answers: 0, exports: 0, imports: 0 });
    } finally {
      await doomed.stop(1);
    }
  });

  test("is told with the reason that closing it was given", async () => {
    const { api, vat } = await server.connect();
    const under = failure(api.hang().promise());
    vat.close("enough");
    assert.equal((await under as Error).message, "enough");
    assert.equal((await failure(api.hang().promise()) as RpcError).kind, "unavailable");
  });

  test("calls that nobody waits for break nothing when they fail", async () => {
    const seen: unknown[] = [];
    const listener = (error: unknown): unknown => seen.push(error);
    process.on("unhandledRejection", listener);
    const { api, vat } = await server.connect();
    api.hang();
    api.openSession((p) => {
      p.id = "bad";
    }).getSession().name();
    api.lateSession().getSession().upload().getSink().done();
    await api.stats().promise();
    vat.close();
    api.hang();
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off("unhandledRejection", listener);
    assert.deepEqual(seen, []);
  });
});
