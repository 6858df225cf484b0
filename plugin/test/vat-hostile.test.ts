// What a peer that is not one of ours may send. The socket is a made-up one: only what the vat does with bytes counts.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Message, Struct, utils } from "capnp-es";
import * as wire from "capnp-es/capnp/rpc";
import { RpcError } from "../src/capnp/errors.ts";
import { FramingError, MAX_FRAME, splitFrame } from "../src/capnp/framing.ts";
import type { Socket } from "../src/capnp/outbox.ts";
import { Vat } from "../src/capnp/vat.ts";
import { VatTest } from "./support/generated/vat-test.ts";
import { failure } from "./support/vat-server.ts";

class FakeSocket implements Socket {
  binaryType = "";
  readyState = 1;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  readonly sent: wire.Message[] = [];
  send(data: Uint8Array): void {
    for (const message of splitFrame(data.slice().buffer as ArrayBuffer)) this.sent.push(message.getRoot(wire.Message));
  }
  close(): void {
    this.readyState = 3;
  }
  give(data: unknown): void {
    this.onmessage?.({ data });
  }
}

const words = (...values: number[]): ArrayBuffer => new Uint32Array(values).buffer as ArrayBuffer;
const message = (fill: (root: wire.Message) => void): ArrayBuffer => {
  const made = new Message();
  fill(made.initRoot(wire.Message));
  return made.toArrayBuffer();
};

describe("framing", () => {
  const bad: [string, ArrayBuffer][] = [
    ["an empty frame", new ArrayBuffer(0)],
    ["less than a message", new ArrayBuffer(8)],
    ["a ragged end", new ArrayBuffer(17)],
    ["2^32 segments", words(0xffffffff, 0, 0, 0)],
    ["2^31 segments", words(0x7fffffff, 0, 0, 0)],
    ["more segments than there is table for", words(100, 0, 0, 0)],
    ["a segment longer than its frame", words(0, 0x10000000, 0, 0)],
    ["a segment of the longest length there is", words(0, 0xffffffff, 0, 0)],
    ["no root", words(1, 0, 2, 0, 0, 0, 0, 0)],
  ];
  for (const [what, frame] of bad) {
    test(`${what} is refused`, () => assert.throws(() => splitFrame(frame), FramingError));
  }

  test("a frame that is too long is refused unread", () => {
    assert.throws(() => splitFrame({ byteLength: MAX_FRAME + 8 } as ArrayBuffer), FramingError);
  });

  test("messages back to back are told apart, of one segment or of many", () => {
    const one = message((root) => {
      root._initFinish().questionId = 7;
    });
    // A second segment of one word, and an empty third.
    const segment = one.slice(8);
    const many = new Uint8Array(16 + segment.byteLength + 8);
    many.set(new Uint8Array(words(2, segment.byteLength / 8, 1, 0)));
    many.set(new Uint8Array(segment), 16);
    const frame = new Uint8Array(2 * one.byteLength + many.length);
    frame.set(new Uint8Array(one));
    frame.set(many, one.byteLength);
    frame.set(new Uint8Array(one), one.byteLength + many.length);
    const ids = splitFrame(frame.buffer as ArrayBuffer).map((m) => m.getRoot(wire.Message).finish.questionId);
    assert.deepEqual(ids, [7, 7, 7]);
  });
});

describe("a peer that breaks the protocol", () => {
  const bad: [string, unknown][] = [
    ["text", "hello"],
    ["garbage", words(0xdeadbeef, 0x12345678, 1, 2)],
    ["a message whose root is no struct", words(0, 1, 1, 0)],
    ["a struct pointer out of its segment", words(0, 1, 0xfffffff0, 0x00ff00ff)],
    ["an answer to no question", message((root) => {
      root._initReturn().answerId = 99;
    })],
    ["the end of a call that was not made", message((root) => {
      root._initFinish().questionId = 5;
    })],
    ["the release of what it does not hold", message((root) => {
      const release = root._initRelease();
      release.id = 3;
      release.referenceCount = 1;
    })],
    ["a call of what it does not hold", message((root) => {
      root._initCall()._initTarget().importedCap = 12;
    })],
    ["an embargo of what it does not hold", message((root) => {
      const disembargo = root._initDisembargo();
      disembargo._initTarget().importedCap = 1;
      disembargo._initContext().senderLoopback = 1;
    })],
    ["the lifting of an embargo that is not there", message((root) => {
      const disembargo = root._initDisembargo();
      disembargo._initTarget().importedCap = 1;
      disembargo._initContext().receiverLoopback = 1;
    })],
  ];
  for (const [what, data] of bad) {
    test(`${what}: it is told, and what was asked fails`, async () => {
      const socket = new FakeSocket();
      const vat = new Vat(socket);
      const asked = failure(vat.bootstrap(VatTest).stats().promise());
      await Promise.resolve();
      socket.give(data);
      const error = await asked;
      assert.ok(error instanceof RpcError);
      assert.equal(error.kind, "interrupted");
      assert.match(error.message, /not Cap'n Proto RPC/);
      assert.equal(socket.sent.at(-1)?.which(), wire.Message.ABORT);
      assert.equal(socket.readyState, 3);
      assert.ok(vat.closed);
    });
  }

  test("a reason that the peer gives for its end is passed on", async () => {
    const socket = new FakeSocket();
    const asked = failure(new Vat(socket).bootstrap(VatTest).stats().promise());
    socket.give(message((root) => {
      root._initAbort().reason = "out of patience";
    }));
    assert.match((await asked as Error).message, /out of patience/);
  });

  test("a kind of message that is not known is sent back", async () => {
    const socket = new FakeSocket();
    const vat = new Vat(socket);
    socket.give(message((root) => {
      root._initProvide().questionId = 4;
    }));
    await Promise.resolve();
    const back = socket.sent.at(-1);
    assert.equal(back?.which(), wire.Message.UNIMPLEMENTED);
    assert.equal(back?.unimplemented.provide.questionId, 4);
    assert.equal(vat.closed, undefined);
  });

  test("a call of an interface that is not known fails alone", async () => {
    const socket = new FakeSocket();
    const vat = new Vat(socket, new VatTest.Server({} as never));
    socket.give(message((root) => {
      root._initBootstrap().questionId = 0;
    }));
    for (const [id, interfaceId] of [[1, 0x1234n], [2, VatTest.Client.interfaceId]] as const) {
      socket.give(message((root) => {
        const call = root._initCall();
        call.questionId = id;
        call.interfaceId = interfaceId;
        call.methodId = 2;
        call._initTarget()._initPromisedAnswer().questionId = 0;
      }));
    }
    await new Promise((resolve) => setImmediate(resolve));
    const types = socket.sent.filter((m) => m.which() === wire.Message.RETURN && m.return.answerId > 0)
      .map((m) => m.return.exception.type);
    assert.deepEqual(types, [3, 3]);
    assert.equal(vat.closed, undefined);
  });

  test("data after the end of the connection is not looked at", () => {
    const socket = new FakeSocket();
    const vat = new Vat(socket);
    vat.close();
    socket.give("whatever");
    assert.equal(socket.sent.length, 0);
  });
});

test("a struct that an older peer wrote reads with the new fields' defaults", async () => {
  class Old extends Struct {
    static override readonly _capnp = { displayName: "Old", id: "0", size: wire.Finish._capnp.size };
  }
  const socket = new FakeSocket();
  const vat = new Vat(socket);
  const asked = vat.bootstrap(VatTest).wide().promise();
  await Promise.resolve();
  const call = socket.sent.find((m) => m.which() === wire.Message.CALL)?.call ?? assert.fail("no call");
  const old = new Message().initRoot(Old);
  utils.setUint32(0, 5, old); // Only the first data word, and no pointers at all.
  socket.give(message((root) => {
    const ret = root._initReturn();
    ret.answerId = call.questionId;
    ret._initResults().content = old;
  }));
  const results = await asked;
  assert.deepEqual([results.text, results.number], ["", 5n]);
});
