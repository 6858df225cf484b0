// The end of a running command's output, as OpenCode shows it while it runs and keeps it when it is aborted.

/** What a user interface is shown: as much of the end as OpenCode shows, in UTF-16 units. */
const SHOWN = 30_000;
/** What the model gets of an aborted command, as of one that ended: OpenCode 1.18.33. */
const KEPT_BYTES = 51_200;
const KEPT_LINES = 2_000;

export class OutputTail {
  #decoder = new TextDecoder();
  #text = "";
  #cut = false;

  push(bytes: Uint8Array): void {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    if (this.#text.length > 4 * KEPT_BYTES) {
      this.#text = this.#text.slice(-2 * KEPT_BYTES);
      this.#cut = true;
    }
  }

  get isEmpty(): boolean {
    return this.#text === "";
  }

  /** For `metadata.output`. */
  shown(): string {
    if (!this.#cut && this.#text.length <= SHOWN) return this.#text;
    return `...\n\n${this.#text.slice(-SHOWN)}`;
  }

  /** Whole lines from the end, within what OpenCode passes on uncut. */
  kept(): { text: string; cut: boolean } {
    const lines = this.#text.split("\n");
    let first = lines.length;
    let bytes = -1; // there is one newline fewer than lines
    while (first > 0 && lines.length - first < KEPT_LINES) {
      bytes += Buffer.byteLength(lines[first - 1] ?? "") + 1;
      if (bytes > KEPT_BYTES) break;
      first--;
    }
    if (first === 0 && !this.#cut) return { text: this.#text, cut: false };
    if (first === lines.length) {
      return { text: Buffer.from(this.#text).subarray(-KEPT_BYTES).toString().replace(/^\uFFFD+/, ""), cut: true };
    }
    return { text: lines.slice(first).join("\n"), cut: true };
  }
}
