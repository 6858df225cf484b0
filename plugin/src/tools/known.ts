// Every tool that OpenCode 1.18.33 has, and those of other versions that the sandbox has, by what the plugin does about it.
import type { Options } from "../host/options.ts";
import { addable, definitions } from "./definitions.ts";

/** They act on the session, the model or the network, not on OpenCode's machine (definitions.ts has others for the network). */
const HARMLESS = new Set([
  "task", "todowrite", "webfetch", "websearch", "question", "invalid", "StructuredOutput", //
]);

/** Ours too, but it also reads the user's own skills on OpenCode's machine. */
const SKILL = "skill";

/** It would show OpenCode's machine: not offered to the model, and refused. */
const LSP = "lsp";

/** Whether it is one that OpenCode may have, and that the sandbox has, too, but that the user has not asked for. */
export function isAddable(tool: string, { addTools }: Pick<Options, "addTools">): boolean {
  return addable.includes(tool) && !addTools.includes(tool);
}

/** What is not offered to the model, and refused. */
export function hiddenTools(options: Pick<Options, "addTools">): readonly string[] {
  return [LSP, ...addable.filter((tool) => isAddable(tool, options))];
}

/** Ours, which act in the sandbox. */
export function sandboxed({ addTools }: Pick<Options, "addTools">): readonly string[] {
  return [...definitions.map(({ id }) => id), ...addTools];
}

/** Whether it may run as it is. */
export function isSafe(tool: string, options: Pick<Options, "addTools">): boolean {
  return sandboxed(options).includes(tool) || HARMLESS.has(tool) || tool === SKILL;
}

/** Whether somebody has looked at this tool and decided. */
export function isKnown(tool: string, options: Pick<Options, "addTools">): boolean {
  return isSafe(tool, options) || tool === LSP;
}
