// Flow control of outgoing streaming calls. A call to a `-> stream` method leaves at once; what waits is the caller, while
// more than a window's worth of bytes is unanswered.

import { quiet } from "./answer.ts";

/** As the bridge's own. It covers a round trip of 20 ms at 50 MB/s. */
export const STREAM_WINDOW = 1 << 20;

/** One capability's window. */
export class StreamWindow {
  #unanswered = 0;
  #waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];
  #failure: { readonly error: unknown } | undefined;

  /** Why no more may be sent: an earlier call of this stream has failed. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** Counts a call that was sent. Resolves when the next one may be made; rejects when a call of the stream has failed. */
  sent(bytes: number, answered: Promise<unknown>): Promise<void> {
    this.#unanswered += bytes;
    answered.then(() => this.#answered(bytes), (error: unknown) => this.#fail(error));
    if (this.#unanswered < STREAM_WINDOW) return Promise.resolve();
    return quiet(new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject })));
  }

  #answered(bytes: number): void {
    this.#unanswered -= bytes;
    if (this.#unanswered >= STREAM_WINDOW) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { resolve } of waiting) resolve();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(error);
  }
}
