// Metadata of a tool call that still runs, so that the user sees a command's output as it comes. OpenCode 1.18's
// `ctx.metadata()` does nothing in a plugin's tool (it returns an Effect that nobody runs), therefore the call's part is
// updated through OpenCode's own interface; a version where the documented way works is recognised and used.
import type { PluginInput } from "@opencode-ai/plugin";
import { rawClient } from "../host/raw-client.ts";
import type { CallContext } from "./context.ts";

/** Each update is written to OpenCode's database and sent to every client. */
const INTERVAL_MS = 100;
const REQUEST_TIMEOUT_MS = 5_000;

type Metadata = Record<string, unknown>;

interface ToolPart {
  id: string;
  callID: string;
  state: { status: string; input: unknown; title?: string; metadata?: Metadata };
}

export class LiveMetadata {
  readonly #client: PluginInput["client"];
  readonly #context: CallContext;
  #next: (() => Metadata) | undefined;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #wake: (() => void) | undefined;
  #part: ToolPart | undefined;
  #closed = false;

  constructor(client: PluginInput["client"], context: CallContext) {
    this.#client = client;
    this.#context = context;
  }

  /** Shows `metadata()` soon; of several in a row only the last. Never throws: this is decoration. */
  update(metadata: () => Metadata): void {
    if (this.#closed) return;
    this.#next = metadata;
    this.#running ??= this.#run();
  }

  /** Shows `metadata()`, and the title if there is one, before it resolves. Never throws. */
  async updateNow(metadata: () => Metadata, title?: string): Promise<void> {
    this.#next = undefined;
    this.#wake?.();
    await this.#running;
    try {
      await this.#send(metadata(), title);
    } catch {
      // As above.
    }
  }

  /** Ends the updates. Awaited before the call returns: a late one would turn the finished call into a running one. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#next = undefined;
    this.#wake?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#next && !this.#closed) {
      const metadata = this.#next();
      this.#next = undefined;
      try {
        await this.#send(metadata);
      } catch {
        // The next update may get through, and the call's own result does not depend on it.
      }
      await new Promise<void>((resolve) => {
        if (this.#closed) return resolve();
        this.#wake = resolve;
        this.#timer = setTimeout(resolve, INTERVAL_MS);
      });
      clearTimeout(this.#timer);
      this.#wake = undefined;
    }
    this.#running = undefined;
  }

  async #send(metadata: Metadata, title?: string): Promise<void> {
    const context = this.#context;
    const returned = context.metadata({ metadata, ...(title !== undefined && { title }) });
    if (returned === undefined || returned instanceof Promise) {
      await returned;
      return;
    }
    const part = (this.#part ??= await this.#findPart());
    if (!part || this.#closed) return;
    await rawClient(this.#client)?.patch({
      url: "/session/{session}/message/{message}/part/{part}",
      path: { session: context.sessionID, message: context.messageID, part: part.id },
      body: { ...part, state: { ...part.state, title, metadata } },
      headers: { "content-type": "application/json" },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
  }

  async #findPart(): Promise<ToolPart | undefined> {
    const { sessionID, messageID, callID } = this.#context;
    const answer = await this.#client.session.message({
      path: { id: sessionID, messageID },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    for (const part of answer.data?.parts ?? []) {
      if (part.type === "tool" && part.callID === callID && part.state.status === "running") {
        return part as ToolPart;
      }
    }
    return undefined;
  }
}
