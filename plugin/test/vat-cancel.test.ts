import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { results } from "../src/capnp/answer.ts";
import type { CallContext } from "../src/capnp/local.ts";
import { type Peer, VatServer, failure, testSink } from "./support/vat-server.ts";

let server: VatServer;
let peer: Peer;
before(async () => {
  server = await VatServer.start();
  peer = await server.connect();
});
after(() => server.stop());

interface Counts {
  readonly hanging: number;
  readonly cancelled: number;
}
const counts = async (): Promise<Counts> => {
  const { hanging, cancelled } = await peer.api.stats().promise();
  return { hanging, cancelled };
};
/** Waits until so many calls hang on the other side, which hears of a closed connection after its end here. */
const hangingBecomes = async (wanted: number): Promise<void> => {
  let now = await counts();
  for (let i = 0; i < 500 && now.hanging !== wanted; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    now = await counts();
  }
  assert.equal(now.hanging, wanted);
};

describe("cancelling", () => {
  test("an aborted call ends on the other side, and fails here with the signal's reason", async () => {
    const was = await counts();
    const stop = new AbortController();
    const call = failure(results(peer.api.hang(), stop.signal));
    assert.equal((await counts()).hanging, was.hanging + 1);
    const reason = new Error("no longer wanted");
    stop.abort(reason);
    assert.equal(await call, reason);
    assert.deepEqual(await counts(), { hanging: was.hanging, cancelled: was.cancelled + 1 });
    assert.equal(peer.vat.stats.questions, 0);
  });

  test("a signal that has fired already ends the call as well", async () => {
    const was = await counts();
    const reason = new Error("too late");
    assert.equal(await failure(results(peer.api.hang(), AbortSignal.abort(reason))), reason);
    assert.equal((await counts()).hanging, was.hanging);
  });

  test("a signal that fires after the answer changes nothing", async () => {
    const stop = new AbortController();
    const answer = await results(peer.api.openSession(), stop.signal);
    stop.abort();
    assert.equal((await (answer.session ?? assert.fail("null")).name().promise()).id, "");
  });

  test("what comes with an answer to a cancelled call is not kept", async () => {
    const { sessions } = await peer.api.stats().promise();
    const stop = new AbortController();
    const opening = failure(results(peer.api.openSession(), stop.signal));
    stop.abort(new Error("no"));
    await opening;
    assert.equal((await peer.api.stats().promise()).sessions, sessions);
  });

  test("the peer's cancellation fires the signal of our side's call", async () => {
    const stop = new AbortController();
    let began: (signal: AbortSignal) => void = () => {};
    const running = new Promise<AbortSignal>((resolve) => {
      began = resolve;
    });
    const sink = testSink({
      async wait(_params: unknown, _results: unknown, context?: CallContext) {
        if (!context) return assert.fail("no context");
        began(context.signal);
        await new Promise((resolve) => context.signal.addEventListener("abort", resolve, { once: true }));
      },
    });
    const call = failure(results(peer.api.hangOn((p) => {
      p.sink = sink;
    }), stop.signal));
    const signal = await running;
    assert.equal(signal.aborted, false);
    stop.abort(new Error("stop"));
    await call;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    assert.equal((await counts()).hanging, 0);
  });

  test("our own server's signal fires when the connection ends", async () => {
    const was = await counts();
    const { api, vat } = await server.connect();
    const aborted = new Promise<unknown>((resolve) => {
      api.hangOn((p) => {
        p.sink = testSink({
          async wait(_params: unknown, _results: unknown, context?: CallContext) {
            context?.signal.addEventListener("abort", () => resolve(context.signal.reason), { once: true });
            vat.close("cut");
            await new Promise(() => {});
          },
        });
      });
    });
    assert.match((await aborted as Error).message, /cut/);
    await hangingBecomes(was.hanging);
  });

  test("a connection that ends takes its calls along on the other side", async () => {
    const was = await counts();
    const { api, vat } = await server.connect();
    api.hang();
    api.hang();
    await api.stats().promise();
    assert.equal((await counts()).hanging, was.hanging + 2);
    vat.close();
    await hangingBecomes(was.hanging);
  });
});
