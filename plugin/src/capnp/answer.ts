// What a call gives back under capnp-es' generated classes: something to wait for and to call on.

import { type Call, type Client, type Method, type Struct, placeParams } from "capnp-es";
import { RpcError } from "./errors.ts";
import type { PipelineOp } from "./pointers.ts";

export interface Answer<R extends Struct> {
  struct(): Promise<R>;
  pipelineCall<P2 extends Struct, R2 extends Struct>(path: PipelineOp[], call: Call<P2, R2>): Answer<R2>;
  pipelineClose(path: PipelineOp[]): void;
  /** Ends the call: whoever waits for it gets `reason`, and the callee is told. No effect on an answer that is there. */
  cancel(reason: unknown): void;
}

/** A client whose calls can be cancelled, as all of this vat's are. */
export interface VatClient extends Client {
  call<P extends Struct, R extends Struct>(call: Call<P, R>): Answer<R>;
}

/** Not to be waited for by everybody who holds it: a rejection that nobody sees is no fault. */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** The call with its parameters in a message of their own, to be made later. */
export function placed<P extends Struct, R extends Struct>(call: Call<P, R>): { method: Method<P, R>; params: P } {
  return { method: call.method, params: placeParams(call, undefined) };
}

/** A client, and an answer, that only fails. */
export class Failed implements VatClient {
  readonly #error: unknown;
  constructor(error: unknown) {
    this.#error = error;
  }
  call<P extends Struct, R extends Struct>(_call: Call<P, R>): Answer<R> {
    return this;
  }
  pipelineCall<P extends Struct, R extends Struct>(_path: PipelineOp[], _call: Call<P, R>): Answer<R> {
    return this;
  }
  struct(): Promise<never> {
    return quiet(Promise.reject(this.#error));
  }
  pipelineClose(): void {}
  cancel(): void {}
  close(): void {}
}

export const nullCapability = (): Failed => new Failed(new RpcError("failed", "call on a null capability"));

/** An answer that becomes another answer. Calls on it are made in their order once it is there. */
export class LaterAnswer<R extends Struct> implements Answer<R> {
  readonly #answer: Promise<Answer<R>>;
  readonly #result: Promise<R>;
  #cancel: (reason: unknown) => void = () => {};

  constructor(answer: Promise<Answer<R>>) {
    this.#answer = quiet(answer);
    const cancelled = new Promise<never>((_, reject) => {
      this.#cancel = reject;
    });
    this.#result = quiet(Promise.race([answer.then((a) => a.struct()), cancelled]));
  }
  struct(): Promise<R> {
    return this.#result;
  }
  pipelineCall<P2 extends Struct, R2 extends Struct>(path: PipelineOp[], call: Call<P2, R2>): Answer<R2> {
    const later = placed(call);
    return new LaterAnswer(this.#answer.then((a) => a.pipelineCall(path, later)));
  }
  pipelineClose(path: PipelineOp[]): void {
    this.#answer.then((a) => a.pipelineClose(path), () => {});
  }
  cancel(reason: unknown): void {
    this.#cancel(reason);
    this.#answer.then((a) => a.cancel(reason), () => {});
  }
}

/** Waits for a call's results, and ends the call when the signal fires: the callee is told, and stops. */
export async function results<R extends Struct>(
  pending: { promise(): Promise<R>; readonly pipeline: { readonly answer: object } },
  signal?: AbortSignal | undefined,
): Promise<R> {
  if (!signal) return await pending.promise();
  const answer = pending.pipeline.answer as Partial<Answer<R>>;
  const abort = (): void => answer.cancel?.(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  try {
    return await pending.promise();
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Tells the capability's host that it is no longer held. What is not released by hand is released by the collector. */
export function release(held: { readonly client: Client }): void {
  held.client.close();
}
