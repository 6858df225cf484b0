// `config`: opens what the user's configuration keeps closed for as long as this plugin is not there, and turns away what
// would act on OpenCode's machine.
//
// OpenCode goes on without a plugin that fails to load, with its own tools on its own machine. Therefore the user's
// configuration denies everything by a rule that this plugin recognises and takes out (README.md shows it):
//   "permission": { "*": { "*": "deny", "-": "allow" } }
// A plain "deny" would also hide our tools. The rule for "-" is the last one, and matches no real question.
import { accessSync, constants } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Hooks } from "@opencode-ai/plugin";
import { isAllowed, type Options } from "../host/options.ts";
import { KEPT_OUTPUT } from "../host/workspace.ts";
import { hiddenTools } from "../tools/known.ts";

type Rules = Record<string, unknown>;

/** Questions that our tools ask. */
const OURS = new Set(["*", "bash", "read", "edit", "glob", "grep", "list", "external_directory"]);

/**
 * On the configuration, once this hook has changed it: whether the user's `lsp` was not `false`. OpenCode may load two copies of
 * this plugin, whose hooks are given the same object.
 */
const LSP_WANTED = Symbol.for("opencode-sandbridge.lsp-wanted.1");

export interface Configured {
  /** What OpenCode will use. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Whether the user has not switched language servers off. Without a word from him OpenCode starts none; we do. */
  readonly lspWanted: boolean;
}

export function configHook(
  options: Options,
  onConfigured: (configured: Configured) => void = () => {},
): NonNullable<Hooks["config"]> {
  return async (config) => {
    const settings: Rules & { [LSP_WANTED]?: boolean } = config as Rules;
    const lspWanted = settings[LSP_WANTED] ?? settings["lsp"] !== false;
    Object.defineProperty(settings, LSP_WANTED, { value: lspWanted });
    const permission = openPermissions(settings["permission"], options.permission);
    for (const tool of hiddenTools(options)) {
      if (!isAllowed(tool, options)) permission[tool] = "deny";
    }
    allowKeptOutput(permission);
    settings["permission"] = permission;
    for (const agents of [settings["agent"], settings["mode"]]) {
      if (!isRules(agents)) continue;
      for (const agent of Object.values(agents)) {
        if (!isRules(agent) || agent["permission"] === undefined) continue;
        agent["permission"] = openPermissions(agent["permission"], options.permission);
      }
    }
    settings["shell"] = sandboxShell();
    // These would watch, change or start things on OpenCode's machine, where the session's files are not.
    settings["snapshot"] = false;
    settings["lsp"] = false;
    settings["formatter"] = false;
    onConfigured({ settings, lspWanted });
  };
}

/**
 * The rules without the closed block: where it was, the user's rules from the plugin's options stand, or else the rules
 * before it in the same object, over what it says for "-" ("allow" leaves the matter to OpenCode's defaults).
 */
export function openPermissions(given: unknown, wanted: Readonly<Rules>): Rules {
  if (typeof given === "string") given = { "*": given };
  if (!isRules(given)) return { ...wanted };
  const opened: Rules = {};
  for (const [name, rules] of Object.entries(given)) {
    if (!OURS.has(name) || !isClosed(rules)) opened[name] = rules;
    else if (Object.hasOwn(wanted, name)) opened[name] = wanted[name];
    else {
      const { "*": _deny, "-": mark, ...before } = rules;
      if (mark !== "allow") opened[name] = { "*": mark, ...before };
      else if (Object.keys(before).length > 0) opened[name] = before;
    }
  }
  for (const [name, rules] of Object.entries(wanted)) {
    if (!Object.hasOwn(given, name)) opened[name] = rules;
  }
  return opened;
}

const KEPT_FILES = `${KEPT_OUTPUT}/*`;

/** Lets kept output be read without a question, as OpenCode does with its own, unless the user denies it. */
function allowKeptOutput(permission: Rules): void {
  const name = "external_directory";
  const { "*": general, [name]: own } = permission;
  if (own === undefined ? isDenied(general) : isDenied(own)) return;
  const names = Object.keys(permission);
  // Then the user's general rule, which comes later, decides.
  if (own !== undefined && names.indexOf("*") > names.indexOf(name)) return;
  permission[name] = { ...(isRules(own) ? own : own !== undefined && { "*": own }), [KEPT_FILES]: "allow" };
}

function isDenied(rules: unknown): boolean {
  return rules === "deny" || (isRules(rules) && (rules["*"] === "deny" || rules[KEPT_FILES] !== undefined));
}

/** Whether the last two rules are `"*": "deny", "-": ...`: the last one that matches decides, so nothing is allowed. */
function isClosed(rules: unknown): rules is Rules {
  if (!isRules(rules)) return false;
  const [last, mark] = Object.keys(rules).slice(-2);
  return last === "*" && mark === "-" && rules["*"] === "deny" && typeof rules["-"] === "string";
}

function isRules(value: unknown): value is Rules {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * What OpenCode starts in place of a shell for `!command`. OpenCode falls back to a real one where it cannot
 * execute this file, so where that is so, something that can be executed and does nothing takes its place.
 */
export function sandboxShell(): string {
  const path = fileURLToPath(new URL("../../bin/sandbridge-shell", import.meta.url));
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch {
    return "/bin/false";
  }
}
