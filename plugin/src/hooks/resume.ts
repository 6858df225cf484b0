// `chat.message`: tells the model which background processes its sandbox has, when it cannot know: with the first prompt of a
// session after OpenCode or the bridge was started again.
import type { Hooks, PluginInput } from "@opencode-ai/plugin";
import type { SandboxClient, SandboxSession } from "../client/types.ts";
import type { Family } from "../host/family.ts";
import { log } from "../host/log.ts";
import { remind } from "./reminder.ts";

type Output = Parameters<NonNullable<Hooks["chat.message"]>>[1];

/** How long a prompt waits for the list. Without it the model can still ask for it. */
const LIST_TIMEOUT_MS = 10_000;
/** Sessions remembered; a forgotten one is told once more. */
const REMEMBERED = 10_000;
/** A sandbox of these has no processes. */
const WITHOUT = new Set(["none", "terminated"]);

export class Resume {
  readonly #client: PluginInput["client"];
  readonly #family: Family;
  readonly #sessionOf: (sessionID: string) => Promise<SandboxSession>;
  /** Sessions whose model knows what runs. */
  readonly #told = new Set<string>();
  readonly #stop: () => void;

  constructor(
    client: PluginInput["client"],
    family: Family,
    connection: Pick<SandboxClient, "onState">,
    sessionOf: (sessionID: string) => Promise<SandboxSession>,
  ) {
    this.#client = client;
    this.#family = family;
    this.#sessionOf = sessionOf;
    this.#stop = connection.onState((state) => {
      if (state.status === "connected" && state.again) this.#told.clear();
    });
  }

  /** A session that has just been made has nothing to go on with. */
  noteNew(sessionID: string): void {
    if (this.#told.size >= REMEMBERED) this.#told.clear();
    this.#told.add(sessionID);
  }

  close(): void {
    this.#stop();
  }

  async onMessage(sessionID: string, { parts }: Output): Promise<void> {
    if (parts.length === 0 || this.#told.has(sessionID)) return;
    try {
      // A subagent begins anew, and what the session's own model started is none of its business.
      if ((await this.#family.rootOf(sessionID)) !== sessionID) return this.noteNew(sessionID);
      const list = await this.#list(sessionID);
      this.noteNew(sessionID);
      if (list === undefined) return;
      remind(parts, `This session goes on. In the background of its sandbox there are:\n${list}\nThe tool process reads their output and ends them.`);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      log(this.#client, "warn", `The background processes of session ${sessionID} could not be listed: ${text}`);
    }
  }

  /** Nothing when none runs. */
  async #list(sessionID: string): Promise<string | undefined> {
    const signal = AbortSignal.timeout(LIST_TIMEOUT_MS);
    const session = await this.#sessionOf(sessionID);
    const { status } = await session.info({ signal });
    if (WITHOUT.has(status)) return undefined;
    const { failed, output, metadata } = await session.tools.call("process", { action: "list" }, { signal });
    if (failed) throw new Error(output);
    const processes = metadata["processes"];
    return Array.isArray(processes) && processes.some(({ running }) => running === true) ? output : undefined;
  }
}
