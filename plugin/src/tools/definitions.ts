// The tools that act in the sandbox: every built-in tool of OpenCode that touches the machine, and so has to be replaced, and
// our own.
import { applyPatch } from "./apply-patch.ts";
import { bash } from "./bash.ts";
import type { ToolDefinition } from "./definition.ts";
import { edit } from "./edit.ts";
import { glob } from "./glob.ts";
import { grep } from "./grep.ts";
import { previewUrl } from "./preview-url.ts";
import { process } from "./process.ts";
import { read } from "./read.ts";
import { write } from "./write.ts";

export const definitions: readonly ToolDefinition[] = [
  bash, read, write, edit, applyPatch, glob, grep, process, previewUrl, //
];
