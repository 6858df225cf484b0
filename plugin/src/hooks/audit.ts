// The audit: which tools this OpenCode has that the plugin does not know. A later version, another plugin, the user's tool folder
// or an MCP server may bring one that acts on OpenCode's machine. `tool.execute.before` refuses each call of one; the audit says
// so to the user, once at start-up and once more when the model calls it.
import type { PluginInput } from "@opencode-ai/plugin";
import { log } from "../host/log.ts";
import { isAllowed, type Options } from "../host/options.ts";
import { isAddable, isKnown } from "../tools/known.ts";
import type { Toast } from "./toasts.ts";

const LOOKUP_TIMEOUT_MS = 30_000;

/** What the user can do about a closed tool. */
const ALLOW = 'Allow it by name with "allowTools"';
const ADD = 'Have one that does with "addTools"';

export interface Findings {
  /** Registered tools, by name. */
  readonly tools: string[];
  /** Registered tools that the sandbox has, too. */
  readonly addable: string[];
  /** MCP servers, none of whose tools is allowed. Their tools' names are not known before they run. */
  readonly servers: string[];
}

/** What is closed of the registered tools and the configured MCP servers. */
export function findUnknown(ids: readonly string[], mcp: unknown, options: Options): Findings {
  const closed = [...new Set(ids)].filter((id) => !isKnown(id, options) && !isAllowed(id, options)).sort();
  const tools = closed.filter((id) => !isAddable(id, options));
  const addable = closed.filter((id) => isAddable(id, options));
  const entries = typeof mcp === "object" && mcp !== null ? Object.entries(mcp) : [];
  const servers = entries
    .filter(([, server]) => server?.enabled !== false)
    .map(([name]) => name)
    .filter((name) => !options.allowTools.some((allowed) => allowed === "*" || allowed.startsWith(toolPrefix(name))))
    .sort();
  return { tools, addable, servers };
}

/** OpenCode's name for an MCP server's tools begins with it. */
function toolPrefix(server: string): string {
  return `${server.replace(/[^a-zA-Z0-9_-]/g, "_")}_`;
}

export class Audit {
  readonly #client: PluginInput["client"];
  readonly #options: Options;
  readonly #show: (toast: Toast) => void;
  readonly #refused = new Set<string>();

  constructor(client: PluginInput["client"], options: Options, show: (toast: Toast) => void) {
    this.#client = client;
    this.#options = options;
    this.#show = show;
  }

  /** Looks and tells. Must not be awaited where OpenCode waits for its plugins: it answers only after that. */
  async run(mcp: unknown): Promise<void> {
    const answer = await this.#client.tool
      .ids({ signal: AbortSignal.timeout(LOOKUP_TIMEOUT_MS) })
      .catch((error: unknown) => ({ data: undefined, error }));
    if (!answer.data) {
      log(this.#client, "error", `The audit could not list OpenCode's tools: ${JSON.stringify(answer.error)}`);
      return;
    }
    const { tools, addable, servers } = findUnknown(answer.data, mcp, this.#options);
    this.#tellClosed([...tools, ...servers.map((name) => `all of MCP server ${name}`)], ALLOW);
    this.#tellClosed(addable, ADD);
  }

  /** Tells once of each tool of which a call was refused. */
  refused(tool: string): void {
    if (isKnown(tool, this.#options) || this.#refused.has(tool)) return;
    this.#refused.add(tool);
    this.#tell("A tool was refused", tool, isAddable(tool, this.#options) ? ADD : ALLOW);
  }

  #tellClosed(closed: readonly string[], way: string): void {
    if (closed.length === 0) return;
    this.#tell(closed.length === 1 ? "A tool is closed" : `${closed.length} tools are closed`, closed.join(", "), way);
  }

  #tell(title: string, closed: string, way: string): void {
    const message = `${closed}: it would not act in the sandbox. ${way} in the plugin's options.`;
    log(this.#client, "warn", `${title}: ${message}`);
    this.#show({ title, message, variant: "warning" });
  }
}
