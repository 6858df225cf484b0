// The plugin's options: the second element of its entry in `opencode.json`.
import { addable } from "../tools/definitions.ts";

export interface Options {
  url?: string;
  token?: string;
  tokenFile?: string;
  /** How long a call waits for the bridge before it fails, in ms. */
  connectTimeoutMs: number;
  /** Tools beyond the known ones that may run, though they act on OpenCode's machine; `name*` allows a prefix. */
  allowTools: readonly string[];
  /** Tools that OpenCode 1.18.33 lacks and that the model shall have, in the sandbox; each name once. */
  addTools: readonly string[];
  /** The user's permission rules for the sandbox's tools, in OpenCode's form; they take the place of the closed block. */
  permission: Readonly<Record<string, unknown>>;
  /** Whether language servers in the sandbox are asked about changed files; OpenCode's own `"lsp": false` says no, too. */
  diagnostics: boolean;
  /** Where the web is fetched from. `host`: by OpenCode's own tools. `sandbox`: from the session's sandbox. */
  web: "host" | "sandbox";
}

/** A bridge that is started again is back well within it. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Throws a sentence for people about the first thing that is wrong. */
export function readOptions(given: Readonly<Record<string, unknown>> | undefined): Options {
  const options: Options = {
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    allowTools: [],
    addTools: [],
    permission: {},
    diagnostics: true,
    web: "host",
  };
  for (const [name, value] of Object.entries(given ?? {})) {
    switch (name) {
      case "url":
      case "token":
      case "tokenFile":
        if (typeof value !== "string") throw new Error(`option "${name}" must be a string`);
        options[name] = value;
        break;
      case "connectTimeoutMs":
        if (typeof value !== "number" || !(value > 0)) throw new Error(`option "${name}" must be a number above 0`);
        options[name] = value;
        break;
      case "diagnostics":
        if (typeof value !== "boolean") throw new Error(`option "${name}" must be true or false`);
        options.diagnostics = value;
        break;
      case "allowTools":
        if (!Array.isArray(value) || !value.every((tool) => typeof tool === "string")) {
          throw new Error('option "allowTools" must be a list of tool names');
        }
        options.allowTools = value;
        break;
      case "addTools":
        if (!Array.isArray(value) || !value.every((tool) => addable.includes(tool))) {
          throw new Error(`option "addTools" must be a list of these: ${addable.join(", ")}`);
        }
        options.addTools = [...new Set(value)];
        break;
      case "permission":
        if (typeof value !== "object" || value === null || Array.isArray(value)) {
          throw new Error('option "permission" must be an object, as "permission" in opencode.json');
        }
        options.permission = { ...value };
        break;
      case "web":
        if (value !== "host" && value !== "sandbox") throw new Error('option "web" must be "host" or "sandbox"');
        options.web = value;
        break;
      default:
        throw new Error(`there is no option "${name}"`);
    }
  }
  return options;
}

export function isAllowed(tool: string, options: Options): boolean {
  return options.allowTools.some((allowed) =>
    allowed.endsWith("*") ? tool.startsWith(allowed.slice(0, -1)) : tool === allowed,
  );
}
