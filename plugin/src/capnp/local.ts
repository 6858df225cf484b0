// Calls to objects of this process, whoever makes them.

import { type Call, type Client, Message, type Method, Server, type Struct } from "capnp-es";
import { type Answer, LaterAnswer, type VatClient, nullCapability, placed, quiet } from "./answer.ts";
import { RpcError } from "./errors.ts";
import { type PipelineOp, capabilityAt } from "./pointers.ts";

/** The third argument of each method that a server implements. */
export interface CallContext {
  /** Fires when the caller has cancelled the call or is gone. */
  readonly signal: AbortSignal;
}

type Implementation = (this: unknown, params: Struct, results: Struct, context: CallContext) => Promise<void> | void;

/** The type id of what `-> stream` methods return (/capnp/stream.capnp). */
const STREAM_RESULT = "995f9a3377c0b16e";

export const isStreaming = (method: Method<Struct, Struct>): boolean => method.ResultsClass._capnp.id === STREAM_RESULT;

/**
 * Runs a method. As in the C++ library a streaming call holds back the later calls of its object, and its failure
 * fails them.
 */
export function runServer<R extends Struct>(
  server: Server, method: Method<Struct, R>, params: Struct, signal: AbortSignal,
): Promise<R> {
  let order = orders.get(server);
  if (!order) orders.set(server, (order = new CallOrder()));
  return order.run(() => runNow(server, method, params, signal), isStreaming(method));
}

/** Resolves when the calls that a server has got so far have been started, and those that stream have ended. */
export function caughtUp(server: Server): Promise<void> {
  return orders.get(server)?.run(() => Promise.resolve(), false) ?? Promise.resolve();
}

const orders = new WeakMap<Server, CallOrder>();

/** The calls of one server that wait for a streaming call to end. */
class CallOrder {
  #streaming = false;
  #waiting: (() => void)[] = [];
  #failure: { readonly error: unknown } | undefined;

  run<R>(call: () => Promise<R>, streaming: boolean): Promise<R> {
    if (!this.#streaming && this.#waiting.length === 0) return this.#start(call, streaming);
    return quiet(new Promise<R>((resolve) => {
      this.#waiting.push(() => resolve(this.#start(call, streaming)));
    }));
  }

  #start<R>(call: () => Promise<R>, streaming: boolean): Promise<R> {
    if (this.#failure) return quiet(Promise.reject(this.#failure.error));
    if (streaming) this.#streaming = true;
    const result = call();
    if (streaming) {
      const next = (failure?: { readonly error: unknown }): void => {
        this.#streaming = false;
        this.#failure = failure;
        while (!this.#streaming) {
          const first = this.#waiting.shift();
          if (!first) return;
          first();
        }
      };
      result.then(() => next(), (error: unknown) => next({ error }));
    }
    return result;
  }
}

function runNow<R extends Struct>(
  server: Server, method: Method<Struct, R>, params: Struct, signal: AbortSignal,
): Promise<R> {
  const found = server.methods.find((m) => m.interfaceId === method.interfaceId && m.methodId === method.methodId);
  const implementation = found?.impl as Implementation | undefined;
  if (!implementation) {
    return quiet(Promise.reject(new RpcError("failed", `no such method: ${method.methodName}`, "unimplemented")));
  }
  const results = new Message().initRoot(method.ResultsClass);
  // As an async function, so that one that throws at once fails like any other.
  const call = async (): Promise<R> => {
    await implementation.call(server.target, params, results, { signal });
    return results;
  };
  return quiet(call());
}

/** A server of this process as a client, with the answers of a remote one. */
export class LocalClient implements VatClient {
  readonly server: Server;
  private constructor(server: Server) {
    this.server = server;
  }

  static #clients = new WeakMap<Server, LocalClient>();
  static of(server: Server): LocalClient {
    let client = this.#clients.get(server);
    if (!client) this.#clients.set(server, (client = new LocalClient(server)));
    return client;
  }

  call<P extends Struct, R extends Struct>(call: Call<P, R>): Answer<R> {
    const { method, params } = placed(call);
    const abort = new AbortController();
    return new LocalAnswer(runServer(this.server, method as Method<Struct, R>, params, abort.signal), abort);
  }
  close(): void {}
}

/** What can be called like a remote capability. */
export const callable = (client: Client): VatClient =>
  client instanceof Server ? LocalClient.of(client) : (client as VatClient);

class LocalAnswer<R extends Struct> implements Answer<R> {
  readonly #result: Promise<R>;
  readonly #abort: AbortController;
  #reject: (reason: unknown) => void = () => {};

  constructor(result: Promise<R>, abort: AbortController) {
    const cancelled = new Promise<never>((_, reject) => {
      this.#reject = reject;
    });
    this.#result = quiet(Promise.race([result, cancelled]));
    this.#abort = abort;
  }
  struct(): Promise<R> {
    return this.#result;
  }
  pipelineCall<P2 extends Struct, R2 extends Struct>(path: PipelineOp[], call: Call<P2, R2>): Answer<R2> {
    const later = placed(call);
    return new LaterAnswer(this.#result.then((r) => {
      const client = capabilityAt(r, path);
      return (client ? callable(client) : nullCapability()).call(later);
    }));
  }
  pipelineClose(): void {}
  cancel(reason: unknown): void {
    this.#reject(reason);
    this.#abort.abort(reason);
  }
}

/**
 * Stands before a capability of ours that the peer handed back, until the calls that went to it through the peer have all
 * come round. Calls made meanwhile wait, so that none overtakes an earlier one.
 */
export class Embargo implements VatClient {
  readonly to: LocalClient;
  #lifted = false;
  #waiting: (() => void)[] = [];

  constructor(to: LocalClient) {
    this.to = to;
  }
  call<P extends Struct, R extends Struct>(call: Call<P, R>): Answer<R> {
    if (this.#lifted) return this.to.call(call);
    const later = placed(call);
    return new LaterAnswer(new Promise((resolve) => {
      this.#waiting.push(() => resolve(this.to.call(later)));
    }));
  }
  lift(): void {
    for (let first = this.#waiting.shift(); first; first = this.#waiting.shift()) first();
    this.#lifted = true;
  }
  close(): void {}
}
