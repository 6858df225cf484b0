// The tools that act in the sandbox: every built-in tool of OpenCode that touches the machine, and so has to be replaced, and
// our own.
import type { Options } from "../host/options.ts";
import { applyPatch } from "./apply-patch.ts";
import { bash } from "./bash.ts";
import type { ToolDefinition } from "./definition.ts";
import { edit } from "./edit.ts";
import { glob } from "./glob.ts";
import { grep } from "./grep.ts";
import { previewUrl } from "./preview-url.ts";
import { process } from "./process.ts";
import { read } from "./read.ts";
import { webfetch } from "./webfetch.ts";
import { write } from "./write.ts";

export const definitions: readonly ToolDefinition[] = [
  bash, read, write, edit, applyPatch, glob, grep, process, previewUrl, //
];

/** With `webfetch`, if it shall leave from the sandbox. */
export function definitionsFor({ web }: Pick<Options, "web">): readonly ToolDefinition[] {
  return web === "sandbox" ? [...definitions, webfetch] : definitions;
}
