// A level-1 Cap'n Proto vat for one WebSocket, under the classes and the serialization of capnp-es, in place of that
// package's own Conn: it releases capabilities, cancels calls in both directions, keeps the order of calls across
// embargoes and streams, and ends everything with a reason when the connection ends.

import { type Call, type Client, Message, type Method, Registry, Server, type Struct, placeParams, utils } from "capnp-es";
import * as wire from "capnp-es/capnp/rpc";
import { type Answer, type VatClient, Failed, LaterAnswer, nullCapability, placed, quiet } from "./answer.ts";
import { ERROR_TYPES, RpcError, toWire, unavailable } from "./errors.ts";
import { ExportTable } from "./exports.ts";
import { FramingError, splitFrame } from "./framing.ts";
import { Import, ImportTable } from "./imports.ts";
import { Embargo, LocalClient, callable, isStreaming, runServer } from "./local.ts";
import { Outbox, type Socket } from "./outbox.ts";
import { type Path, type PipelineOp, capabilityAt, readStruct, replaceCapability } from "./pointers.ts";
import { Question } from "./question.ts";
import type { StreamWindow } from "./stream-window.ts";

/** A call that the peer has made to us. */
interface IncomingCall {
  readonly id: number;
  readonly abort: AbortController;
  /** Settles with the results, before the Return is sent. */
  promise: Promise<Struct>;
  /** Set when the Return was sent. */
  results?: Struct;
  returned: boolean;
  finished: boolean;
  /** The peer wants the results for another of its answers, not sent. */
  elsewhere: boolean;
  resultExports: readonly number[];
}

/** What a generated interface has. */
interface InterfaceClass<C> {
  readonly Client: new (client: Client) => C;
}

/** Bytes of the longest message that is sent. The bridge ends a connection that sends a frame of more than 32 MiB. */
const MAX_MESSAGE = 30 << 20;

const newMessage = (): wire.Message => new Message().initRoot(wire.Message);

export class Vat {
  readonly imports = new ImportTable(this);
  /** Resolves with the reason when the connection has ended. */
  readonly whenClosed: Promise<RpcError>;

  readonly #socket: Socket;
  readonly #outbox: Outbox;
  readonly #main: Server | undefined;
  readonly #questions = new Map<number, Question>();
  readonly #freeQuestionIds: number[] = [];
  #nextQuestionId = 0;
  readonly #answers = new Map<number, IncomingCall>();
  readonly #exports = new ExportTable();
  readonly #embargoes = new Map<number, Embargo>();
  #nextEmbargoId = 0;
  #closed: RpcError | undefined;
  #onClosed: (reason: RpcError) => void = () => {};

  /** `socket` is open already. `main` is what the peer gets as our bootstrap capability. */
  constructor(socket: Socket, main?: Server) {
    this.#socket = socket;
    this.#outbox = new Outbox(socket);
    this.#main = main;
    this.whenClosed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => this.#receiveFrame(event.data);
    socket.onclose = (event) => this.#shutdown(disconnected(`the connection was closed${describeClose(event)}`));
    socket.onerror = () => this.#shutdown(disconnected("the connection broke"));
  }

  /** The peer's main interface. Calls may be made on it at once. */
  bootstrap<C>(Interface: InterfaceClass<C>): C {
    if (this.#closed) return new Interface.Client(new Failed(unavailable(this.#closed)));
    const question = this.#newQuestion(undefined);
    const message = newMessage();
    message._initBootstrap().questionId = question.id;
    this.#send(message);
    return new Interface.Client({ call: (call) => question.pipelineCall([], call), close() {} });
  }

  /** Ends the connection. Everything under way fails with `reason`. */
  close(reason = "the connection was closed by this side"): void {
    if (this.#closed) return;
    this.#outbox.flush();
    this.#socket.close(1000);
    this.#shutdown(disconnected(reason));
  }

  /** Why the connection has ended, if it has. */
  get closed(): RpcError | undefined {
    return this.#closed;
  }

  /** Sizes of the tables, for tests and for finding leaks. */
  get stats(): { questions: number; answers: number; exports: number; imports: number } {
    return {
      questions: this.#questions.size,
      answers: this.#answers.size,
      exports: this.#exports.size,
      imports: this.imports.size,
    };
  }

  // ---- Calls that we make. For Question and Import.

  sendCall<P extends Struct, R extends Struct>(
    call: Call<P, R>, setTarget: (target: wire.MessageTarget) => void, window: StreamWindow,
  ): Answer<R> {
    if (this.#closed) return new Failed(unavailable(this.#closed));
    const { method } = call;
    const streaming = isStreaming(method as Method<Struct, Struct>);
    if (streaming && window.failure) return new Failed(window.failure.error);
    const question = this.#newQuestion(method as Method<Struct, R>);
    const message = newMessage();
    try {
      const out = message._initCall();
      out.questionId = question.id;
      out.interfaceId = method.interfaceId;
      out.methodId = method.methodId;
      setTarget(out._initTarget());
      const payload = out._initParams();
      if ("params" in call) payload.content = call.params;
      else placeParams(call, payload.content);
      question.paramExports = this.#writeCapabilities(payload);
      const bytes = this.#send(message);
      if (streaming) question.room = window.sent(bytes, question.answered);
    } catch (error) {
      // Nothing was sent.
      for (const id of question.paramExports) this.#exports.release(id, 1);
      this.#freeQuestion(question);
      question.fail(error);
    }
    return question;
  }

  sendFinish(questionId: number, releaseResultCaps: boolean): void {
    const message = newMessage();
    const finish = message._initFinish();
    finish.questionId = questionId;
    finish.releaseResultCaps = releaseResultCaps;
    this.#send(message, false);
  }

  sendRelease(id: number, references: number): void {
    const message = newMessage();
    const release = message._initRelease();
    release.id = id;
    release.referenceCount = references;
    this.#send(message, false);
  }

  #send(message: wire.Message, urgent = true): number {
    if (this.#closed) return 0;
    const bytes = new Uint8Array(message.segment.message.toArrayBuffer());
    if (bytes.byteLength > MAX_MESSAGE) {
      throw new RpcError("invalidArgument", `a message of ${bytes.byteLength} bytes is too long for one call`);
    }
    this.#outbox.add(bytes, urgent);
    return bytes.byteLength;
  }

  #newQuestion<R extends Struct>(method: Method<Struct, R> | undefined): Question<R> {
    const question = new Question<R>(this, this.#freeQuestionIds.pop() ?? this.#nextQuestionId++, method);
    this.#questions.set(question.id, question as unknown as Question);
    return question;
  }

  #freeQuestion(question: { readonly id: number }): void {
    this.#questions.delete(question.id);
    this.#freeQuestionIds.push(question.id);
  }

  // ---- Capabilities in messages

  /** Describes the capabilities of a message that we send. Returns the exports among them. */
  #writeCapabilities(payload: wire.Payload): number[] {
    const table = payload.segment.message._capnp.capTable;
    if (!table || table.length === 0) return [];
    const descriptors = payload._initCapTable(table.length);
    const exported: number[] = [];
    table.forEach((client, i) => {
      const id = this.#describe(descriptors.get(i), client);
      if (id !== undefined) exported.push(id);
    });
    return exported;
  }

  #describe(descriptor: wire.CapDescriptor, client: Client | null): number | undefined {
    const pipeline = (client as Partial<PipelineClient> | null)?.pipeline;
    if (pipeline?.answer instanceof Question && pipeline.answer.vat === this) {
      const { answer } = pipeline;
      const path = pipeline.transform();
      if (answer.open) {
        answer.writePath(descriptor._initReceiverAnswer(), path);
        return undefined;
      }
      if (answer.settled) client = answer.resolved(path);
    }
    if (client instanceof Embargo) client = client.to;
    if (client instanceof LocalClient) client = client.server;
    if (client instanceof Import && client.vat === this && !client.released) {
      descriptor.receiverHosted = client.id;
      return undefined;
    }
    if (!client) {
      descriptor.none = true;
      return undefined;
    }
    const id = this.#exports.add(client);
    descriptor.senderHosted = id;
    return id;
  }

  /** Fills the table of a message that we have got. */
  #readCapabilities(payload: wire.Payload): void {
    const { message } = payload.segment;
    for (const descriptor of payload.capTable) message.addCap(this.#readCapability(descriptor));
  }

  #readCapability(descriptor: wire.CapDescriptor): Client | null {
    switch (descriptor.which()) {
      case wire.CapDescriptor.NONE:
        return null;
      case wire.CapDescriptor.SENDER_HOSTED:
        return this.imports.add(descriptor.senderHosted);
      case wire.CapDescriptor.SENDER_PROMISE:
        return this.imports.add(descriptor.senderPromise);
      case wire.CapDescriptor.RECEIVER_HOSTED:
        return callable(this.#exports.get(descriptor.receiverHosted));
      case wire.CapDescriptor.RECEIVER_ANSWER:
        return this.#answerClient(descriptor.receiverAnswer);
      default:
        return new Failed(new RpcError("failed", "a kind of capability that is not known here", "unimplemented"));
    }
  }

  /** The capability in an answer of ours, which may not be there yet. */
  #answerClient(promised: wire.PromisedAnswer): VatClient {
    const answer = this.#answers.get(promised.questionId);
    if (!answer) throw new RpcError("failed", "the peer referred to an answer that is not there");
    const path: PipelineOp[] = [];
    for (const op of promised.transform) {
      if (op.which() === wire.PromisedAnswer_Op.GET_POINTER_FIELD) path.push({ field: op.getPointerField });
    }
    const find = (results: Struct): VatClient => {
      const client = capabilityAt(results, path);
      return client ? callable(client) : nullCapability();
    };
    if (answer.results) return find(answer.results);
    return {
      call(call) {
        const later = placed(call);
        return new LaterAnswer(answer.promise.then((results) => find(results).call(later)));
      },
      close() {},
    };
  }

  #target(target: wire.MessageTarget): VatClient {
    switch (target.which()) {
      case wire.MessageTarget.IMPORTED_CAP:
        return callable(this.#exports.get(target.importedCap));
      case wire.MessageTarget.PROMISED_ANSWER:
        return this.#answerClient(target.promisedAnswer);
      default:
        throw new RpcError("failed", "a kind of call target that is not known here", "unimplemented");
    }
  }

  // ---- What the peer sends

  #receiveFrame(data: unknown): void {
    if (this.#closed) return;
    try {
      if (!(data instanceof ArrayBuffer)) throw new FramingError("text frame");
      for (const message of splitFrame(data)) {
        this.#receive(message.getRoot(wire.Message));
        if (this.#closed) return;
      }
    } catch (error) {
      this.#abort(error);
    }
  }

  #receive(message: wire.Message): void {
    switch (message.which()) {
      case wire.Message.CALL:
        return this.#onCall(message.call);
      case wire.Message.RETURN:
        return this.#onReturn(message.return);
      case wire.Message.FINISH:
        return this.#onFinish(message.finish);
      case wire.Message.RELEASE:
        return this.#exports.release(message.release.id, message.release.referenceCount);
      case wire.Message.RESOLVE:
        return this.#onResolve(message.resolve);
      case wire.Message.DISEMBARGO:
        return this.#onDisembargo(message.disembargo);
      case wire.Message.BOOTSTRAP:
        return this.#onBootstrap(message.bootstrap.questionId);
      case wire.Message.ABORT:
        this.#socket.close(1000);
        return this.#shutdown(disconnected(`the bridge ended the connection: ${message.abort.reason}`));
      case wire.Message.UNIMPLEMENTED:
        // All that we send is part of level 1, save what answers a message of the peer's.
        return;
      default: {
        const reply = newMessage();
        reply.unimplemented = message;
        this.#send(reply);
      }
    }
  }

  #onReturn(ret: wire.Return): void {
    const question = this.#questions.get(ret.answerId);
    if (!question) throw new RpcError("failed", "the peer answered a call that was not made");
    if (ret.releaseParamCaps) for (const id of question.paramExports) this.#exports.release(id, 1);
    this.#freeQuestion(question);
    if (!question.open) return; // Cancelled: our Finish has released the results.
    switch (ret.which()) {
      case wire.Return.RESULTS: {
        const { results } = ret;
        this.#readCapabilities(results);
        this.#embargo(question, results.content as Struct);
        question.succeed(results.content);
        break;
      }
      case wire.Return.EXCEPTION: {
        const { reason, type } = ret.exception;
        question.fail(RpcError.fromWire(reason, ERROR_TYPES[type] ?? "failed"));
        break;
      }
      case wire.Return.TAKE_FROM_OTHER_QUESTION:
        question.take(this.#answers.get(ret.takeFromOtherQuestion)?.promise);
        break;
      case wire.Return.CANCELED:
        question.fail(new RpcError("interrupted", "the call was cancelled by the bridge"));
        break;
      default:
        question.fail(new RpcError("failed", "a kind of answer that is not known here", "unimplemented"));
    }
    this.sendFinish(question.id, false);
  }

  /**
   * Where the answer holds a capability of ours, calls that were pipelined to it are still on their way round through the
   * peer: later calls wait until those have come back.
   */
  #embargo(question: Question, results: Struct): void {
    for (const path of question.pipelined.values()) {
      const client = capabilityAt(results, path);
      if (!(client instanceof LocalClient)) continue;
      const embargo = new Embargo(client);
      replaceCapability(results, path, embargo);
      const id = this.#nextEmbargoId++;
      this.#embargoes.set(id, embargo);
      const message = newMessage();
      const disembargo = message._initDisembargo();
      question.writePath(disembargo._initTarget()._initPromisedAnswer(), path);
      disembargo._initContext().senderLoopback = id;
      this.#send(message);
    }
  }

  #onDisembargo(disembargo: wire.Disembargo): void {
    const { context } = disembargo;
    switch (context.which()) {
      case wire.Disembargo_Context.RECEIVER_LOOPBACK: {
        const embargo = this.#embargoes.get(context.receiverLoopback);
        if (!embargo) throw new RpcError("failed", "the peer lifted an embargo that is not there");
        this.#embargoes.delete(context.receiverLoopback);
        return embargo.lift();
      }
      case wire.Disembargo_Context.SENDER_LOOPBACK: {
        const client = this.#target(disembargo.target);
        if (!(client instanceof Import) || client.vat !== this) {
          throw new RpcError("failed", "the peer put an embargo on something that is not its own");
        }
        const message = newMessage();
        const reply = message._initDisembargo();
        reply._initTarget().importedCap = client.id;
        reply._initContext().receiverLoopback = context.senderLoopback;
        this.#send(message);
        return;
      }
      default:
        throw new RpcError("failed", "a kind of embargo that is not known here", "unimplemented");
    }
  }

  /** Calls go on through the promise, and the peer passes them on. So what it resolved to is given straight back. */
  #onResolve(resolve: wire.Resolve): void {
    if (resolve.which() !== wire.Resolve.CAP) return;
    const { cap } = resolve;
    if (cap.which() === wire.CapDescriptor.SENDER_HOSTED) this.imports.add(cap.senderHosted).close();
    else if (cap.which() === wire.CapDescriptor.SENDER_PROMISE) this.imports.add(cap.senderPromise).close();
  }

  #onBootstrap(id: number): void {
    const answer = this.#newAnswer(id);
    if (!this.#main) return this.#return(answer, new RpcError("failed", "there is no bootstrap interface here"));
    const message = newMessage();
    const ret = message._initReturn();
    ret.answerId = id;
    ret.releaseParamCaps = false;
    const payload = ret._initResults();
    utils.setInterfacePointer(payload.segment.message.addCap(this.#main), payload.content);
    answer.resultExports = this.#writeCapabilities(payload);
    answer.results = payload.content as Struct;
    answer.returned = true;
    this.#send(message);
  }

  #newAnswer(id: number): IncomingCall {
    if (this.#answers.has(id)) throw new RpcError("failed", "the peer used a question id twice");
    const answer: IncomingCall = {
      id, abort: new AbortController(), promise: new Promise(() => {}), returned: false, finished: false, elsewhere: false,
      resultExports: [],
    };
    this.#answers.set(id, answer);
    return answer;
  }

  #onCall(call: wire.Call): void {
    const answer = this.#newAnswer(call.questionId);
    answer.elsewhere = call.sendResultsTo.which() === wire.Call_SendResultsTo.YOURSELF;
    this.#readCapabilities(call.params);
    const target = this.#target(call.target);
    answer.promise = quiet(this.#perform(target, call, answer));
    answer.promise.then(
      (results) => this.#return(answer, undefined, results),
      (error: unknown) => this.#return(answer, error),
    );
  }

  #perform(target: VatClient, call: wire.Call, answer: IncomingCall): Promise<Struct> {
    const { signal } = answer.abort;
    try {
      const method = Registry.lookup(call.interfaceId)?.methods[call.methodId] as Method<Struct, Struct> | undefined;
      if (!method) throw new RpcError("failed", "a method that is not known here", "unimplemented");
      const params = readStruct(method.ParamsClass, call.params.content);
      if (target instanceof LocalClient) return runServer(target.server, method, params, signal);
      // Passed on to somebody else's capability.
      const forwarded = target.call({ method, params });
      signal.addEventListener("abort", () => forwarded.cancel(signal.reason), { once: true });
      return forwarded.struct();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #return(answer: IncomingCall, error: unknown, results?: Struct): void {
    if (this.#closed) return;
    answer.returned = true;
    if (results) answer.results = results;
    const message = newMessage();
    const ret = message._initReturn();
    ret.answerId = answer.id;
    ret.releaseParamCaps = false;
    if (answer.finished) {
      ret.canceled = true;
      this.#answers.delete(answer.id);
    } else if (answer.elsewhere) {
      ret.resultsSentElsewhere = true;
    } else if (results) {
      const payload = ret._initResults();
      payload.content = results;
      answer.resultExports = this.#writeCapabilities(payload);
    } else {
      writeException(ret._initException(), error);
    }
    try {
      this.#send(message);
    } catch (tooLong) {
      // Without its results.
      for (const id of answer.resultExports) this.#exports.release(id, 1);
      answer.resultExports = [];
      delete answer.results;
      this.#return(answer, tooLong);
    }
  }

  #onFinish(finish: wire.Finish): void {
    const answer = this.#answers.get(finish.questionId);
    if (!answer) throw new RpcError("failed", "the peer finished a call that it has not made");
    answer.finished = true;
    if (!answer.returned) {
      answer.abort.abort(new RpcError("interrupted", "the caller has cancelled the call"));
      return;
    }
    if (finish.releaseResultCaps) for (const id of answer.resultExports) this.#exports.release(id, 1);
    this.#answers.delete(answer.id);
  }

  // ---- The end

  /** The peer has broken the protocol. */
  #abort(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    const message = newMessage();
    writeException(message._initAbort(), error);
    this.#send(message);
    this.#outbox.flush();
    this.#socket.close(1000);
    this.#shutdown(disconnected(`the bridge sent something that is not Cap'n Proto RPC: ${text}`));
  }

  #shutdown(reason: RpcError): void {
    if (this.#closed) return;
    this.#closed = reason;
    const questions = [...this.#questions.values()];
    this.#questions.clear();
    for (const question of questions) if (!question.settled) question.fail(reason);
    const answers = [...this.#answers.values()];
    this.#answers.clear();
    for (const answer of answers) if (!answer.returned) answer.abort.abort(reason);
    for (const embargo of this.#embargoes.values()) embargo.lift();
    this.#embargoes.clear();
    this.#exports.clear();
    this.imports.clear();
    this.#onClosed(reason);
  }
}

/** capnp-es' class of a capability in an answer, which it does not export. */
interface PipelineClient {
  readonly pipeline: { readonly answer: unknown; transform(): Path };
}

const disconnected = (why: string): RpcError => new RpcError("interrupted", why, "disconnected");

function writeException(exception: wire.Exception, error: unknown): void {
  const { reason, type } = toWire(error);
  exception.reason = reason;
  exception.type = ERROR_TYPES.indexOf(type) as wire.Exception_Type;
}

function describeClose(event: { readonly code?: number; readonly reason?: string }): string {
  if (event.reason) return `: ${event.reason}`;
  return event.code && event.code !== 1000 && event.code !== 1005 ? ` (${event.code})` : "";
}
