// `experimental.chat.system.transform`: tells the model where it works, and nothing of the machine that OpenCode runs on.
import { homedir } from "node:os";
import type { Hooks } from "@opencode-ai/plugin";
import { WORKSPACE } from "../host/workspace.ts";
import { withoutHostInstructions } from "./instructions.ts";
import { skillFolder } from "./skill.ts";

const WHERE = `
Your tools bash, read, write, edit, apply_patch, glob, grep, process and preview_url act in a Linux sandbox that belongs to this session and its subagents, not on the user's machine.
 - Its workspace is ${WORKSPACE}. Relative paths start there.
 - Files and background processes stay between calls. A new sandbox has an empty workspace: fetch or create what you need.
 - The user's own files are not in it. When the user speaks of files that are not there, say so.`;

const ENVIRONMENT = /<env>\n[\s\S]*?<\/env>/;
const SKILL = /(<name>)([^<]*)(<\/name>(?:(?!<\/skill>)[\s\S])*?<location>)\/[^<]*(?=<\/location>)/g;

/** `instructions` gives the section with the session's own instruction file, or "". */
export function systemHook(
  hostDirectories: readonly string[],
  instructions: (sessionID: string) => Promise<string>,
): NonNullable<Hooks["experimental.chat.system.transform"]> {
  // The longest first, so that a directory inside another one is replaced as a whole. "/" is in every path.
  const hidden = [...new Set(hostDirectories)]
    .filter((directory) => directory.length > 1)
    .sort((one, other) => other.length - one.length);
  const home = homedir();
  return async ({ sessionID }, output) => {
    // Others than the agents that work (the one that finds a title) are told nothing of their surroundings.
    const works = sessionID !== undefined && output.system.some((text) => ENVIRONMENT.test(text));
    const section = works ? await instructions(sessionID) : "";
    output.system.forEach((text, index) => {
      output.system[index] = rewriteSystem(text, hidden, home, section);
    });
  };
}

export function rewriteSystem(
  text: string,
  hostDirectories: readonly string[],
  home: string,
  instructions = "",
): string {
  let rewritten = withoutHostInstructions(text, hostDirectories).replace(ENVIRONMENT, (block) => {
    const lines = block
      .replace(/^( *Working directory:).*$/m, `$1 ${WORKSPACE}`)
      .replace(/^( *Workspace root folder:).*$/m, `$1 ${WORKSPACE}`)
      // Whether the workspace is a repository changes as the model works: `git status` knows.
      .replace(/^ *Is directory a git repo:.*\n/m, "")
      .replace(/^( *Platform:).*$/m, "$1 linux");
    return lines + WHERE + (instructions && `\n${instructions}`);
  });
  rewritten = rewritten.replace(SKILL, (_all, open, name, between) => `${open}${name}${between}${skillFolder(name)}/SKILL.md`);
  for (const directory of hostDirectories) rewritten = replacePath(rewritten, directory, WORKSPACE);
  return home.length > 1 ? replacePath(rewritten, home, "~") : rewritten;
}

/** Replaces a path where it stands as a whole or as the beginning of a longer one. */
export function replacePath(text: string, path: string, by: string): string {
  const pattern = path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return text.replace(new RegExp(`(?<![\\w./-])${pattern}(?![\\w-])`, "g"), () => by);
}
