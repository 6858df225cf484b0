// The agent that works in each session, and what the user's configuration denies it.
import type { PluginInput } from "@opencode-ai/plugin";
import { log } from "./log.ts";
import { RecentMap } from "./recent-map.ts";

interface Rule {
  readonly permission: string;
  readonly pattern: string;
  readonly action: string;
}

/** Sessions remembered. */
const REMEMBERED = 10_000;
const LOOKUP_TIMEOUT_MS = 10_000;

export class Agents {
  readonly #client: PluginInput["client"];
  readonly #working = new RecentMap<string, string>(REMEMBERED);
  /** OpenCode starts its plugins again when its configuration changes. */
  #rules: Promise<Map<string, readonly Rule[]>> | undefined;

  constructor(client: PluginInput["client"]) {
    this.#client = client;
  }

  /** Tells which agent was given the session's last message. */
  note(sessionID: string, agent: string): void {
    this.#working.set(sessionID, agent);
  }

  /**
   * Those whose names the session's agent may use, or ask for. None, if it cannot be said which agent that is or what it may.
   * Does nothing where there are none to choose from. Never fails.
   */
  async permitted<Named extends { readonly name: string }>(
    sessionID: string,
    permission: string,
    all: readonly Named[],
  ): Promise<readonly Named[]> {
    if (all.length === 0) return all;
    try {
      const agent = this.#working.get(sessionID);
      const rules = agent === undefined ? undefined : (await this.#rulesOfAll()).get(agent);
      return rules ? all.filter(({ name }) => actionOf(rules, permission, name) !== "deny") : [];
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      log(this.#client, "warn", `It cannot be said what an agent may use of the workspace: ${text}`);
      return [];
    }
  }

  async #rulesOfAll(): Promise<Map<string, readonly Rule[]>> {
    this.#rules ??= this.#ask();
    try {
      return await this.#rules;
    } catch (error) {
      this.#rules = undefined;
      throw error;
    }
  }

  async #ask(): Promise<Map<string, readonly Rule[]>> {
    const { data } = await this.#client.app.agents({ signal: AbortSignal.timeout(LOOKUP_TIMEOUT_MS) });
    if (!data) throw new Error("OpenCode does not say what its agents are permitted.");
    // The types of this client are of an older form of the answer.
    return new Map((data as unknown as { name: string; permission: Rule[] }[]).map(({ name, permission }) => [name, permission]));
  }
}

/** As OpenCode 1.18.33 decides: the last rule that matches. */
function actionOf(rules: readonly Rule[], permission: string, pattern: string): string {
  const rule = rules.findLast((one) => matches(permission, one.permission) && matches(pattern, one.pattern));
  return rule?.action ?? "ask";
}

/** OpenCode's patterns: `*` is any text, `?` any sign, and " *" at the end may be nothing. */
function matches(text: string, pattern: string): boolean {
  const expression = pattern
    .replaceAll("\\", "/")
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".")
    .replace(/ \.\*$/, "( .*)?");
  return new RegExp(`^${expression}$`, "s").test(text.replaceAll("\\", "/"));
}
