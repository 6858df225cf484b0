// `experimental.chat.system.transform`: tells the model where it works, and nothing of the machine that OpenCode runs on.
import { homedir } from "node:os";
import type { Hooks } from "@opencode-ai/plugin";
import type { Options } from "../host/options.ts";
import { WORKSPACE } from "../host/workspace.ts";
import { skillFolder } from "../skills/host-files.ts";
import { withSkills } from "../skills/prompt-list.ts";
import type { WorkspaceSkill } from "../skills/workspace-skills.ts";
import { withoutHostInstructions } from "./instructions.ts";

const WHERE = `
Your tools bash, read, write, edit, apply_patch, glob, grep, process and preview_url act in a Linux sandbox that belongs to this session and its subagents, not on the user's machine.
 - Its workspace is ${WORKSPACE}. Relative paths start there.
 - Files and background processes stay between calls. A new sandbox has an empty workspace: fetch or create what you need.
 - The user's own files are not in it. When the user speaks of files that are not there, say so.`;

const WEB = `
 - webfetch and websearch, where you have them, work from this sandbox too: its localhost and its network, not the user's.`;

const ENVIRONMENT = /<env>\n[\s\S]*?<\/env>/;
const SKILL = /(<name>)([^<]*)(<\/name>(?:(?!<\/skill>)[\s\S])*?<location>)\/[^<]*(?=<\/location>)/g;

/** What a session's prompt says beyond what OpenCode has written. */
export interface Additions {
  /** The section with the workspace's own instruction file, or "". */
  readonly instructions: string;
  /** Those of the workspace's skills that the session's agent may use. */
  readonly skills: readonly WorkspaceSkill[];
}

const NOTHING: Additions = { instructions: "", skills: [] };

export function systemHook(
  hostDirectories: readonly string[],
  additionsFor: (sessionID: string) => Promise<Additions> = async () => NOTHING,
  web: Options["web"] = "host",
): NonNullable<Hooks["experimental.chat.system.transform"]> {
  // The longest first, so that a directory inside another one is replaced as a whole. "/" is in every path.
  const hidden = [...new Set(hostDirectories)]
    .filter((directory) => directory.length > 1)
    .sort((one, other) => other.length - one.length);
  const home = homedir();
  return async ({ sessionID }, output) => {
    // Others than the agents that work (the one that finds a title) are told nothing of their surroundings.
    const works = sessionID !== undefined && output.system.some((text) => ENVIRONMENT.test(text));
    const additions = works ? await additionsFor(sessionID) : NOTHING;
    output.system.forEach((text, index) => {
      output.system[index] = rewriteSystem(text, hidden, home, additions, web);
    });
  };
}

export function rewriteSystem(
  text: string,
  hostDirectories: readonly string[],
  home: string,
  { instructions, skills }: Additions = NOTHING,
  web: Options["web"] = "host",
): string {
  let rewritten = withoutHostInstructions(text, hostDirectories);
  rewritten = rewritten.replace(SKILL, (_all, open, name, between) => `${open}${name}${between}${skillFolder(name)}/SKILL.md`);
  rewritten = withSkills(rewritten, skills).replace(ENVIRONMENT, (block) => {
    const lines = block
      .replace(/^( *Working directory:).*$/m, `$1 ${WORKSPACE}`)
      .replace(/^( *Workspace root folder:).*$/m, `$1 ${WORKSPACE}`)
      // Whether the workspace is a repository changes as the model works: `git status` knows.
      .replace(/^ *Is directory a git repo:.*\n/m, "")
      .replace(/^( *Platform:).*$/m, "$1 linux");
    return lines + WHERE + (web === "sandbox" ? WEB : "") + (instructions && `\n${instructions}`);
  });
  for (const directory of hostDirectories) rewritten = replacePath(rewritten, directory, WORKSPACE);
  return home.length > 1 ? replacePath(rewritten, home, "~") : rewritten;
}

/** Replaces a path where it stands as a whole or as the beginning of a longer one. */
export function replacePath(text: string, path: string, by: string): string {
  const pattern = path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return text.replace(new RegExp(`(?<![\\w./-])${pattern}(?![\\w-])`, "g"), () => by);
}
