// Short notes to the user about the sandbox and the connection.
import type { PluginInput } from "@opencode-ai/plugin";
import type { ConnectionState, SandboxClient, SessionEvent } from "../client/types.ts";
import type { Family } from "../host/family.ts";

type Variant = "info" | "success" | "warning" | "error";

export interface Toast {
  title: string;
  message: string;
  variant: Variant;
}

/** A newer toast takes the place of the one that is shown, so each gets its time. */
const APART_MS = 2_500;
/** Enough for all kinds there are; what would wait longer than this is old news. */
const MOST_WAITING = 8;
/** A connection that is back so soon was not missed. */
const GRACE_MS = 1_500;

export class Toaster {
  readonly #show: (toast: Toast) => Promise<unknown>;
  readonly #apartMs: number;
  readonly #waiting: Toast[] = [];
  #last: Toast | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(show: (toast: Toast) => Promise<unknown>, apartMs = APART_MS) {
    this.#show = show;
    this.#apartMs = apartMs;
  }

  /** Shows it when the ones before it have had their time; the same text twice in a row is shown once. */
  add(toast: Toast): void {
    const before = this.#waiting.at(-1) ?? (this.#timer ? this.#last : undefined);
    if (before?.title === toast.title && before.message === toast.message) return;
    if (this.#waiting.length >= MOST_WAITING) this.#waiting.shift();
    this.#waiting.push(toast);
    if (!this.#timer) this.#next();
  }

  /** Drops what waits. */
  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }

  #next(): void {
    const toast = this.#waiting.shift();
    this.#last = toast;
    this.#timer = undefined;
    if (!toast) return;
    this.#timer = setTimeout(() => this.#next(), this.#apartMs);
    this.#timer.unref();
    // There may be no user interface to show it: then there is nobody to tell.
    this.#show(toast).catch(() => {});
  }
}

export function opencodeToaster(client: PluginInput["client"]): Toaster {
  return new Toaster((toast) => client.tui.showToast({ body: { ...toast, duration: 5_000 } }));
}

/** Tells of what happens to the sandboxes of this instance's sessions, and to the connection. Returns how to stop. */
export function watchForToasts(connection: SandboxClient, family: Family, toaster: Toaster): () => void {
  const watch = connection.watch((event) => {
    if (!family.knows(event.sessionId)) return;
    const toast = sandboxToast(event);
    if (toast) toaster.add(toast);
  });
  const stopConnection = watchConnection(connection, toaster);
  return () => {
    watch.close();
    stopConnection();
    toaster.close();
  };
}

export function sandboxToast(event: SessionEvent): Toast | undefined {
  const message = event.text;
  switch (event.kind) {
    case "created":
      return { title: "Sandbox created", message, variant: "success" };
    case "resumed":
      return { title: "Sandbox resumed", message, variant: "success" };
    case "connected":
      return { title: "Sandbox found again", message, variant: "info" };
    case "lost":
      return { title: "Sandbox lost", message, variant: "error" };
    case "suspended":
      return { title: "Sandbox suspended", message, variant: "info" };
    case "listening":
      return { title: `Port ${event.port} is open`, message, variant: "info" };
    case "deleted":
      return undefined;
  }
}

/** Tells when the bridge has been away for a moment, and then when it is back. */
export function watchConnection(
  connection: Pick<SandboxClient, "state" | "onState">,
  toaster: Pick<Toaster, "add">,
  graceMs = GRACE_MS,
): () => void {
  let told = false;
  let timer: NodeJS.Timeout | undefined;
  const look = (state: ConnectionState): void => {
    if (state.status === "disconnected") {
      if (told || timer) return;
      timer = setTimeout(() => {
        timer = undefined;
        const now = connection.state;
        if (now.status !== "disconnected") return;
        told = true;
        toaster.add({ title: "Bridge not reachable", message: now.reason, variant: "warning" });
      }, graceMs);
      timer.unref();
    } else if (state.status === "connected") {
      clearTimeout(timer);
      timer = undefined;
      if (!told) return;
      told = false;
      toaster.add({ title: "Bridge reconnected", message: "The sandbox can be used again.", variant: "success" });
    }
  };
  look(connection.state);
  const stop = connection.onState(look);
  return () => {
    stop();
    clearTimeout(timer);
  };
}
