// The connection to a bridge: made at once, made again for ever when it breaks, tried out while it is quiet.

import { results } from "../capnp/answer.ts";
import { RpcError } from "../capnp/errors.ts";
import { SandboxRpcApi, type SandboxRpcApi$Client } from "../capnp/generated/sandbox-rpc.ts";
import { Vat } from "../capnp/vat.ts";
import { bridgeUrl, readToken } from "./settings.ts";
import { type ClosableSocket, ConnectError, openSocket } from "./socket.ts";
import type { ConnectOptions, ConnectionState } from "./types.ts";

/** One connection, from its making to its end. */
export interface Link {
  readonly api: SandboxRpcApi$Client;
  readonly vat: Vat;
}

/** What may be done again on a new connection when the outcome on the old one is unknown. */
export interface Attempt {
  readonly signal?: AbortSignal | undefined;
  readonly repeatable?: boolean;
}

const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 5000;
/** How long the other side may take to become a connection, or to close one. */
const HANDSHAKE_MS = 10_000;
const CLOSE_MS = 1000;
/** A connection that lived this long was a good one: the next attempts begin with short delays again. */
const GOOD_MS = 5000;
/** A call that waits hurries the next attempt, but not more often than this. */
const HURRIED_DELAY_MS = 250;
const REPEATS = 5;

export class Connection {
  readonly url: string;
  readonly #options: ConnectOptions;
  readonly #connectTimeoutMs: number;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  readonly #linkListeners = new Set<(link: Link) => void>();
  /** Calls that wait for a connection. */
  readonly #waiting = new Set<{ resolve: (link: Link) => void; reject: (error: unknown) => void }>();
  #state: ConnectionState = { status: "connecting" };
  #link: Link | undefined;
  /** Why there is no connection. */
  #problem: RpcError | undefined;
  /** Why there will never be one. */
  #hopeless: RpcError | undefined;
  #hurry: (() => void) | undefined;
  readonly #running: Promise<void>;

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 10_000;
    if (options.onState) this.#listeners.add(options.onState);
    this.#tell();
    try {
      this.url = bridgeUrl(options);
    } catch (error) {
      this.url = options.url ?? process.env["SANDBRIDGE_URL"] ?? "";
      this.#hopeless = error as RpcError;
      this.#fail(this.#hopeless, true);
      this.#running = Promise.resolve();
      return;
    }
    this.#running = this.#run();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  onState(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Told of the present connection and each later one. */
  onLink(listener: (link: Link) => void): () => void {
    this.#linkListeners.add(listener);
    if (this.#link) listener(this.#link);
    return () => this.#linkListeners.delete(listener);
  }

  /**
   * Does the work on the connection, waiting for one if need be. Work that certainly was not done because the connection
   * ended is done on the next one; other work only if it is repeatable.
   */
  async use<T>(work: (link: Link) => Promise<T>, { signal, repeatable = false }: Attempt = {}): Promise<T> {
    for (let left = REPEATS; ; left--) {
      signal?.throwIfAborted();
      const link = this.#live ?? (await this.#wait(signal));
      try {
        return await work(link);
      } catch (error) {
        const ended = error instanceof RpcError && error.type === "disconnected" && link.vat.closed;
        if (!ended || left === 0 || this.#stop.signal.aborted) throw error;
        if (!repeatable && error.kind !== "unavailable") throw error;
      }
    }
  }

  async close(): Promise<void> {
    if (!this.#stop.signal.aborted) {
      this.#stop.abort(new RpcError("unavailable", "the connection to the bridge was closed by this side"));
      this.#setState({ status: "closed" });
      this.#rejectWaiting(this.#stop.signal.reason);
    }
    await this.#running;
  }

  get #live(): Link | undefined {
    return this.#link?.vat.closed ? undefined : this.#link;
  }

  // ---- Waiting for a connection

  #wait(signal: AbortSignal | undefined): Promise<Link> {
    if (this.#stop.signal.aborted) return Promise.reject(this.#stop.signal.reason);
    if (this.#hopeless) return Promise.reject(this.#hopeless);
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        this.#waiting.delete(waiting);
      };
      const waiting = {
        resolve: (link: Link): void => (settle(), resolve(link)),
        reject: (error: unknown): void => (settle(), reject(error)),
      };
      const abort = (): void => waiting.reject(signal?.reason);
      const timer = setTimeout(() => waiting.reject(this.#problem ?? this.#absent("no answer")),
        this.#connectTimeoutMs);
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiting.add(waiting);
      this.#hurry?.();
    });
  }

  #rejectWaiting(error: unknown): void {
    for (const { reject } of [...this.#waiting]) reject(error);
  }

  #absent(why: string): RpcError {
    return new RpcError("unavailable", `no bridge at ${this.url}: start one with \`sandbridge serve\` (${why})`);
  }

  // ---- Making connections

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let delay = FIRST_DELAY_MS;
    for (let again = false; !signal.aborted; ) {
      try {
        const socket = await this.#open();
        const since = performance.now();
        await this.#serve(socket, again, () => {
          again = true;
        });
        if (performance.now() - since > GOOD_MS) delay = FIRST_DELAY_MS;
      } catch (error) {
        if (signal.aborted) return;
        this.#explain(error);
        if (this.#problem?.kind === "denied") delay = LONGEST_DELAY_MS;
      }
      await this.#pause(delay * (0.5 + Math.random() / 2));
      delay = Math.min(2 * delay, LONGEST_DELAY_MS);
    }
  }

  async #open(): Promise<ClosableSocket> {
    const token = await readToken(this.#options);
    // A bridge makes its token when it starts for the first time.
    if (typeof token === "string") throw this.#absent(token);
    try {
      return await openSocket(this.url, token.value, HANDSHAKE_MS, this.#stop.signal);
    } catch (error) {
      if (error instanceof ConnectError && error.status === 401) {
        throw new RpcError("denied", `the bridge at ${this.url} refuses the token from ${token.source}: ` +
          "it must be the one in the bridge's own token file");
      }
      throw error;
    }
  }

  /** Sees a connection through to its end. */
  async #serve(socket: ClosableSocket, again: boolean, onConnected: () => void): Promise<void> {
    const { signal } = this.#stop;
    const vat = new Vat(socket);
    const link: Link = { vat, api: vat.bootstrap(SandboxRpcApi) };
    const end = (): void => {
      vat.close("the connection to the bridge was closed by this side");
      setTimeout(() => socket.terminate(), CLOSE_MS).unref();
    };
    signal.addEventListener("abort", end, { once: true });
    let unwatch = (): void => {};
    try {
      await this.#greet(link);
      onConnected();
      unwatch = this.#watchOver(link, socket);
      this.#connected(link, again);
      const reason = await vat.whenClosed;
      this.#link = undefined;
      if (!signal.aborted) this.#fail(this.#broken(reason), false);
    } finally {
      unwatch();
      signal.removeEventListener("abort", end);
      if (!signal.aborted) {
        vat.close();
        socket.terminate();
      }
    }
  }

  /** Says who calls. An answer shows that there is a bridge at the other end. */
  async #greet({ api }: Link): Promise<void> {
    const hello = api.hello((p) => {
      p._initClient().name = this.#options.name ?? "opencode-sandbridge";
    });
    try {
      await results(hello, AbortSignal.any([this.#stop.signal, AbortSignal.timeout(HANDSHAKE_MS)]));
    } catch (error) {
      if (error instanceof RpcError) throw this.#broken(error);
      throw error;
    }
  }

  #broken(reason: RpcError): RpcError {
    return new RpcError("unavailable", `the connection to the bridge at ${this.url} broke: ${reason.message}`);
  }

  /** Tries the connection out, so that one whose other end is gone without a word does not look alive for hours. */
  #watchOver({ api, vat }: Link, socket: ClosableSocket): () => void {
    const interval = this.#options.pingIntervalMs ?? 20_000;
    const timeout = this.#options.pingTimeoutMs ?? 10_000;
    const timer = setInterval(() => {
      results(api.ping(), AbortSignal.timeout(timeout)).catch(() => {
        if (vat.closed) return;
        vat.close(`no answer to a ping within ${timeout / 1000} s`);
        socket.terminate();
      });
    }, interval);
    timer.unref();
    return () => clearInterval(timer);
  }

  #connected(link: Link, again: boolean): void {
    this.#link = link;
    this.#problem = undefined;
    this.#setState({ status: "connected", again });
    for (const listener of [...this.#linkListeners]) listener(link);
    for (const { resolve } of [...this.#waiting]) resolve(link);
  }

  #explain(error: unknown): void {
    if (error instanceof RpcError) {
      // A bridge that is not there yet may come; one that refuses the token will refuse it again.
      this.#fail(error, error.kind === "denied");
    } else if (error instanceof ConnectError && error.status !== undefined) {
      const text = `${this.url} is not a bridge's address: it answers HTTP ${error.status}` +
        (error.message ? `, ${JSON.stringify(error.message)}` : "");
      this.#fail(new RpcError("unavailable", text), error.status < 500);
    } else {
      this.#fail(this.#absent(error instanceof Error ? error.message : String(error)), false);
    }
  }

  /** `final`: a call that waits need not wait for another attempt. */
  #fail(error: RpcError, final: boolean): void {
    this.#problem = error;
    this.#setState({ status: "disconnected", reason: error.message });
    if (final) this.#rejectWaiting(error);
  }

  /** Waits for the next attempt: shorter when somebody waits for it. Does not keep the process alive. */
  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#hurry = undefined;
        signal.removeEventListener("abort", done);
        resolve();
      };
      let timer = setTimeout(done, ms);
      timer.unref();
      const started = performance.now();
      this.#hurry = () => {
        clearTimeout(timer);
        timer = setTimeout(done, Math.max(0, Math.min(ms, HURRIED_DELAY_MS) - (performance.now() - started)));
      };
      signal.addEventListener("abort", done, { once: true });
      if (this.#waiting.size > 0) this.#hurry();
    });
  }

  // ---- State

  #setState(state: ConnectionState): void {
    if (this.#state.status === "closed") return;
    const same = state.status === "disconnected" && this.#state.status === "disconnected" && state.reason === this.#state.reason;
    this.#state = state;
    if (!same) this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(this.#state);
      } catch (error) {
        process.emitWarning(error instanceof Error ? error : new Error(String(error)));
      }
    }
  }
}
