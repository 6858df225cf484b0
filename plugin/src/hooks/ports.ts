// `chat.message`: tells the model, with the next prompt, which ports programs in its sandbox have begun to listen on.
import type { Hooks } from "@opencode-ai/plugin";
import type { SandboxClient, SessionEvent } from "../client/types.ts";
import type { Family } from "../host/family.ts";
import { RecentMap } from "../host/recent-map.ts";
import { remind } from "./reminder.ts";

type Output = Parameters<NonNullable<Hooks["chat.message"]>>[1];

/** Sessions with news for their model; of more, the oldest news are dropped. */
const MOST_SESSIONS = 1_000;
/** Ports that one prompt tells of. */
const MOST_PORTS = 64;

export class Ports {
  readonly #family: Pick<Family, "knows">;
  readonly #news = new RecentMap<string, Set<number>>(MOST_SESSIONS);
  readonly #stop: () => void;

  constructor(family: Pick<Family, "knows">, connection: Pick<SandboxClient, "watch">) {
    this.#family = family;
    const watch = connection.watch((event) => this.#note(event));
    this.#stop = () => watch.close();
  }

  close(): void {
    this.#stop();
  }

  /** A session without a sandbox of its own, a subagent's, has no news. */
  onMessage(sessionID: string, { parts }: Output): void {
    const ports = this.#news.get(sessionID);
    if (!ports || parts.length === 0) return;
    this.#news.delete(sessionID);
    const list = [...ports].sort((a, b) => a - b).join(", ");
    remind(parts, `Programs in the sandbox have begun to listen on port ${list}. The user's browser reaches such a port only by the link that preview_url returns.`);
  }

  #note({ sessionId, kind, port }: SessionEvent): void {
    if (kind === "lost" || kind === "deleted") this.#news.delete(sessionId);
    if (kind !== "listening" || port === undefined || !this.#family.knows(sessionId)) return;
    const ports = this.#news.get(sessionId) ?? new Set();
    if (ports.size < MOST_PORTS) ports.add(port);
    this.#news.set(sessionId, ports);
  }
}
