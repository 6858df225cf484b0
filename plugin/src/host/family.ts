// Which session is at the top of each session's family: subagents work in the sandbox of the session that began the work.
import type { PluginInput } from "@opencode-ai/plugin";
import { RecentMap } from "./recent-map.ts";

/** More levels than OpenCode makes; a longer chain means that the parents go in a circle. */
const DEEPEST = 100;
/** Sessions remembered; a forgotten one is looked up again. */
const REMEMBERED = 10_000;
const LOOKUP_TIMEOUT_MS = 10_000;

export class Family {
  readonly #client: PluginInput["client"];
  /** Undefined for a session without a parent. */
  readonly #parents = new RecentMap<string, string | undefined>(REMEMBERED);

  constructor(client: PluginInput["client"]) {
    this.#client = client;
  }

  /** Tells of a session that OpenCode has made, which saves asking. */
  note(sessionID: string, parentID: string | undefined): void {
    this.#parents.set(sessionID, parentID);
  }

  forget(sessionID: string): void {
    this.#parents.delete(sessionID);
  }

  /** Whether this instance of OpenCode has seen the session. */
  knows(sessionID: string): boolean {
    return this.#parents.has(sessionID);
  }

  /** Fails when OpenCode does not say: a guess would give a subagent a sandbox of its own. */
  async rootOf(sessionID: string): Promise<string> {
    let current = sessionID;
    for (let level = 0; level < DEEPEST; level++) {
      const parent = await this.#parentOf(current);
      if (parent === undefined) return current;
      current = parent;
    }
    throw new Error(`The parents of session ${sessionID} go in a circle.`);
  }

  async #parentOf(sessionID: string): Promise<string | undefined> {
    if (this.#parents.has(sessionID)) return this.#parents.get(sessionID);
    const answer = await this.#client.session.get({
      path: { id: sessionID },
      signal: AbortSignal.timeout(LOOKUP_TIMEOUT_MS),
    });
    if (!answer.data) {
      throw new Error(`OpenCode does not know the session ${sessionID}, so its sandbox is not known either.`);
    }
    this.note(sessionID, answer.data.parentID);
    return answer.data.parentID;
  }
}
