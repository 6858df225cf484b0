// What the project in the sandbox's workspace brings for the model: its instruction file and its skills. OpenCode looks for them on
// its own machine; here one command looks in the sandbox, before each request to the model.
import type { PluginInput } from "@opencode-ai/plugin";
import type { SandboxSession } from "../client/types.ts";
import { log } from "../host/log.ts";
import { RecentMap } from "../host/recent-map.ts";
import { WORKSPACE } from "../host/workspace.ts";
import { LIST_BYTES, listScript, parseListing, type WorkspaceSkill } from "../skills/workspace-skills.ts";
import { INSTRUCTIONS_BYTES, INSTRUCTIONS_SCRIPT, instructionsSection } from "./instructions.ts";

const DEADLINE_MS = 5_000;
/** Sandboxes remembered. */
const REMEMBERED = 1_000;

export interface Brought {
  /** The section for the system prompt, or "" when there is no such file. */
  readonly instructions: string;
  readonly skills: readonly WorkspaceSkill[];
}

const NOTHING: Brought = { instructions: "", skills: [] };

export class Project {
  readonly #client: PluginInput["client"];
  readonly #sessionOf: (sessionID: string) => Promise<SandboxSession>;
  readonly #script = `${listScript()}\n${INSTRUCTIONS_SCRIPT}`;
  /** Each sandbox's last ones, by root session: rules do not go away because the bridge is slow once. */
  readonly #last = new RecentMap<string, Brought>(REMEMBERED);
  /** What was last said in the log of each sandbox's skills. */
  readonly #told = new RecentMap<string, string>(REMEMBERED);

  constructor(client: PluginInput["client"], sessionOf: (sessionID: string) => Promise<SandboxSession>) {
    this.#client = client;
    this.#sessionOf = sessionOf;
  }

  /** Looks in the sandbox, if there is one. Never makes one; never fails. */
  async look(sessionID: string): Promise<Brought> {
    let root = sessionID;
    try {
      const session = await this.#sessionOf(sessionID);
      root = session.root;
      const signal = AbortSignal.timeout(DEADLINE_MS);
      const { status } = await session.info({ signal });
      const found = status === "none" || status === "terminated" ? NOTHING : await this.#read(session, signal);
      this.#last.set(root, found);
      return found;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      log(this.#client, "warn", `The workspace's instruction file and skills could not be looked for: ${text}`);
      return this.lastOf(root);
    }
  }

  /** What the sandbox of this root session had when it was looked at last: what the model was told. */
  lastOf(root: string): Brought {
    return this.#last.get(root) ?? NOTHING;
  }

  async #read(session: SandboxSession, signal: AbortSignal): Promise<Brought> {
    const maxOutputBytes = LIST_BYTES + INSTRUCTIONS_BYTES;
    const { stdout } = await session.run(this.#script, { workdir: WORKSPACE, signal, maxOutputBytes });
    const { skills, problems, rest } = parseListing(stdout);
    const told = problems.join("\n");
    if (told !== (this.#told.get(session.root) ?? "")) {
      this.#told.set(session.root, told);
      if (told) log(this.#client, "warn", `Skills of the workspace that are not used:\n${told}`);
    }
    return { instructions: instructionsSection(rest), skills };
  }
}
