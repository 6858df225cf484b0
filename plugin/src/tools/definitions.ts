// The tools that act in the sandbox: every built-in tool of OpenCode that touches the machine, and so has to be replaced, and
// our own.
import type { Options } from "../host/options.ts";
import { applyPatch } from "./apply-patch.ts";
import { bash } from "./bash.ts";
import type { ToolDefinition } from "./definition.ts";
import { edit } from "./edit.ts";
import { glob } from "./glob.ts";
import { grep } from "./grep.ts";
import { list } from "./list.ts";
import { multiedit } from "./multiedit.ts";
import { previewUrl } from "./preview-url.ts";
import { process } from "./process.ts";
import { read } from "./read.ts";
import { skill } from "./skill.ts";
import { webfetch } from "./webfetch.ts";
import { websearch } from "./websearch.ts";
import { write } from "./write.ts";

export const definitions: readonly ToolDefinition[] = [
  bash, read, write, edit, applyPatch, glob, grep, process, previewUrl, //
];

/** What the option `addTools` may name: tools that OpenCode 1.18.33 lacks and others have. */
const ADDABLE: readonly ToolDefinition[] = [list, multiedit];

export const addable: readonly string[] = ADDABLE.map(({ id }) => id);

/** With `skill`, those that reach the web, if they shall leave from the sandbox, and what the user wants added. */
export function definitionsFor({ web, addTools }: Pick<Options, "web" | "addTools">): readonly ToolDefinition[] {
  const added = ADDABLE.filter(({ id }) => addTools.includes(id));
  return [...definitions, skill, ...(web === "sandbox" ? [webfetch, websearch] : []), ...added];
}
