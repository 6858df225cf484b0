// A call that we have made, from the Call message to the peer's Return.

import { type Call, Message, type Method, type Pointer, type Struct } from "capnp-es";
import type { PromisedAnswer } from "capnp-es/capnp/rpc";
import { type Answer, type VatClient, nullCapability, placed, quiet, Failed, LaterAnswer } from "./answer.ts";
import { RpcError, unavailable } from "./errors.ts";
import { callable } from "./local.ts";
import { type Path, type PipelineOp, capabilityAt, pathKey, readStruct } from "./pointers.ts";
import { StreamWindow } from "./stream-window.ts";
import type { Vat } from "./vat.ts";

/**
 * - open: no Return yet. Calls on the answer go to the peer, which has it first.
 * - taken: the peer said that the answer to a call of its own is the answer to this.
 * - settled: there is a result or an error.
 */
type State = "open" | "taken" | "settled";

export class Question<R extends Struct = Struct> implements Answer<R> {
  readonly vat: Vat;
  readonly id: number;
  readonly method: Method<Struct, R> | undefined;
  /** Ids of the exports that went with the parameters; the peer may release them with its Return. */
  paramExports: readonly number[] = [];
  /** The paths that calls were pipelined on. */
  readonly pipelined = new Map<string, Path>();
  /** For a streaming call: resolves when the next one may be made. */
  room: Promise<void> | undefined;

  #state: State = "open";
  #outcome: { readonly root: Pointer } | { readonly error: unknown } | undefined;
  /** Capabilities of the answer that were released before it was there. */
  readonly #unwanted: PipelineOp[][] = [];
  readonly #windows = new Map<string, StreamWindow>();
  readonly #done: Promise<R>;
  #resolve: (result: R) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(vat: Vat, id: number, method: Method<Struct, R> | undefined) {
    this.vat = vat;
    this.id = id;
    this.method = method;
    this.#done = quiet(new Promise<R>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    }));
  }

  get open(): boolean {
    return this.#state === "open";
  }

  get settled(): boolean {
    return this.#state === "settled";
  }

  /** The results; for a streaming call an empty struct, as soon as the stream's window has room. */
  struct(): Promise<R> {
    const { room, method } = this;
    if (!room || !method) return this.#done;
    return quiet(room.then(() => new Message().initRoot(method.ResultsClass)));
  }

  /** Settled by the peer's Return, whatever `struct` says. */
  get answered(): Promise<unknown> {
    return this.#done;
  }

  pipelineCall<P2 extends Struct, R2 extends Struct>(path: PipelineOp[], call: Call<P2, R2>): Answer<R2> {
    if (this.#state === "settled") return this.resolved(path).call(call);
    if (this.#state === "taken") {
      const later = placed(call);
      return new LaterAnswer(this.#done.then(() => this.resolved(path).call(later)));
    }
    const key = pathKey(path);
    this.pipelined.set(key, path);
    let window = this.#windows.get(key);
    if (!window) this.#windows.set(key, (window = new StreamWindow()));
    return this.vat.sendCall(call, (target) => this.writePath(target._initPromisedAnswer(), path), window);
  }
  pipelineClose(path: PipelineOp[]): void {
    if (this.#state === "settled") this.resolved(path).close();
    else this.#unwanted.push(path);
  }

  writePath(answer: PromisedAnswer, path: Path): void {
    answer.questionId = this.id;
    const transform = answer._initTransform(path.length);
    path.forEach((op, i) => {
      transform.get(i).getPointerField = op.field;
    });
  }

  /** The capability at the end of a path of the settled answer. */
  resolved(path: Path): VatClient {
    const outcome = this.#outcome;
    if (!outcome) throw new Error("not settled yet");
    if ("error" in outcome) {
      const { closed } = this.vat;
      return new Failed(closed && outcome.error === closed ? unavailable(closed) : outcome.error);
    }
    const client = capabilityAt(outcome.root, path);
    return client ? callable(client) : nullCapability();
  }

  cancel(reason: unknown): void {
    if (this.#state === "settled") return;
    const wasOpen = this.open;
    this.fail(reason);
    // The id stays taken until the peer's Return. A taken one was finished already.
    if (wasOpen) this.vat.sendFinish(this.id, true);
  }

  /** `root` is the results struct, or for a bootstrap the capability itself. */
  succeed(root: Pointer): void {
    this.#settle({ root });
    // A bootstrap question is only ever called on.
    if (this.method) this.#resolve(readStruct(this.method.ResultsClass, root));
  }

  fail(error: unknown): void {
    this.#settle({ error });
    this.#reject(error);
  }

  /** The results are those of a call that the peer made to us. */
  take(result: Promise<Struct> | undefined): void {
    this.#state = "taken";
    if (!result) return this.fail(new RpcError("failed", "the peer referred to an answer that is not there"));
    result.then(
      (root) => this.#state === "taken" && this.succeed(root),
      (error: unknown) => this.#state === "taken" && this.fail(error),
    );
  }

  #settle(outcome: { readonly root: Pointer } | { readonly error: unknown }): void {
    this.#state = "settled";
    this.#outcome = outcome;
    this.#windows.clear();
    for (const path of this.#unwanted.splice(0)) this.resolved(path).close();
  }
}
