// The sessions' handles. They are kept: what the bridge holds for a session between calls, language servers above all, stays for as
// long as somebody holds the session.
import type { SandboxClient, SandboxSession } from "../client/types.ts";
import type { Family } from "./family.ts";
import { RecentMap } from "./recent-map.ts";

/** The one that was used the longest time ago is let go for another. */
const MOST_HELD = 64;

export class Sessions {
  readonly #connection: SandboxClient;
  readonly #family: Family;
  readonly #held = new RecentMap<string, SandboxSession>(MOST_HELD);
  /** For handles that are made from now on. */
  diagnostics: boolean;

  constructor(connection: SandboxClient, family: Family, diagnostics: boolean) {
    this.#connection = connection;
    this.#family = family;
    this.diagnostics = diagnostics;
  }

  async of(id: string): Promise<SandboxSession> {
    const root = await this.#family.rootOf(id);
    const session = this.#held.get(id) ?? this.#connection.session(id, { root, diagnostics: this.diagnostics });
    this.#held.set(id, session);
    return session;
  }

  forget(id: string): void {
    this.#held.delete(id);
  }
}
