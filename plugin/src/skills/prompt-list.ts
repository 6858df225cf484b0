// The list of skills in the system prompt, in OpenCode 1.18.33's form: the workspace's come to those that OpenCode has found.
import type { WorkspaceSkill } from "./workspace-skills.ts";

const BEFORE =
  "Skills provide specialized instructions and workflows for specific tasks.\n" +
  "Use the skill tool to load a skill when a task matches its description.\n";
const NONE = "No skills are currently available.";
const OPEN = "<available_skills>\n";
const CLOSE = "\n</available_skills>";

const BETWEEN = /\n(?= {2}<skill>\n {4}<name>)/;
const NAMED = /^ {2}<skill>\n {4}<name>([^\n]*)<\/name>\n/;

/**
 * The prompt with these in its list, which stays as it is where there is none: an agent without the tool gets none. As in
 * OpenCode, what the project brings takes the place of what the user has under the same name for all projects.
 */
export function withSkills(system: string, skills: readonly WorkspaceSkill[]): string {
  const listed = skills.filter(({ description }) => description !== undefined);
  // The last one is OpenCode's: instruction files come before it.
  const before = system.lastIndexOf(BEFORE);
  if (listed.length === 0 || before < 0) return system;
  const start = before + BEFORE.length;
  const { entries, end } = entriesAt(system, start);
  if (end === undefined) return system;
  const all = new Map(entries.map((entry) => [NAMED.exec(entry)?.[1] ?? "", entry]));
  for (const skill of listed) all.set(skill.name, entryOf(skill));
  const sorted = [...all].sort(([one], [other]) => one.localeCompare(other)).map(([, entry]) => entry);
  return system.slice(0, start) + OPEN + sorted.join("\n") + CLOSE + system.slice(end);
}

function entriesAt(system: string, start: number): { entries: string[]; end?: number } {
  if (system.startsWith(NONE, start)) return { entries: [], end: start + NONE.length };
  const close = system.indexOf(CLOSE, start);
  if (!system.startsWith(OPEN, start) || close < 0) return { entries: [] };
  return { entries: system.slice(start + OPEN.length, close).split(BETWEEN), end: close + CLOSE.length };
}

function entryOf({ name, description, location }: WorkspaceSkill): string {
  return [
    "  <skill>",
    `    <name>${name}</name>`,
    `    <description>${withoutTags(description ?? "")}</description>`,
    `    <location>${withoutTags(location)}</location>`,
    "  </skill>",
  ].join("\n");
}

/** Whoever wrote this shall not end an element of the prompt. */
function withoutTags(text: string): string {
  return text.replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
