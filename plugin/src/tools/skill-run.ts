// `skill`: loads a skill of the workspace's project from the sandbox, or one of the user's from OpenCode's machine, whose files are
// copied into the sandbox. As OpenCode 1.18.33 does it.
import { isAbsolute, dirname, posix } from "node:path";
import type { PluginInput } from "@opencode-ai/plugin";
import type { SandboxSession } from "../client/types.ts";
import { rawClient } from "../host/raw-client.ts";
import { carryFiles } from "../skills/host-files.ts";
import { contentOf, folderOf, type WorkspaceSkill } from "../skills/workspace-skills.ts";
import type { CallContext, CallResult } from "./context.ts";
import { fitted } from "./fitted.ts";
import { toolError } from "./forward.ts";

/** One that OpenCode has found. */
interface HostSkill {
  readonly name: string;
  readonly location: string;
  readonly content: string;
}

const MOST_LISTED = 10;
const MOST_BYTES = 1 << 20;
const LOOKUP_TIMEOUT_MS = 10_000;

/** `skillsOf` gives those of the workspace that the model was told of, by the root session. They win over the user's own. */
export async function runSkill(
  client: PluginInput["client"],
  session: SandboxSession,
  skillsOf: (root: string) => readonly WorkspaceSkill[],
  args: object,
  context: CallContext,
): Promise<CallResult> {
  const name = nameIn(args);
  const ours = skillsOf(session.root);
  const skill = ours.find((one) => one.name === name);
  const theirs = skill ? [] : await hostSkills(client, context.abort);
  const hostSkill = theirs.find((one) => one.name === name);
  if (!skill && !hostSkill) throw notFound(name, [...ours, ...theirs]);
  await context.ask({ permission: "skill", patterns: [name], always: [name], metadata: {} });
  try {
    const { content, dir, files, note = "" } = skill
      ? await fromWorkspace(session, skill, context.abort)
      : await fromHost(session, hostSkill as HostSkill, context.abort);
    const output = outputOf(name, content, dir, files) + note;
    return await fitted(session, { title: `Loaded skill: ${name}`, output, metadata: { name, dir } }, context.abort);
  } catch (error) {
    throw toolError(error);
  }
}

function nameIn(args: object): string {
  const { name } = args as { name?: unknown };
  if (typeof name === "string") return name;
  const detail = name === undefined ? "Missing key" : `Expected string, got ${JSON.stringify(name)}`;
  throw new Error(
    `The skill tool was called with invalid arguments: SchemaError(${detail}\n  at ["name"]).\n` +
      `Please rewrite the input so it satisfies the expected schema.`,
  );
}

function notFound(name: string, known: readonly { name: string }[]): Error {
  const names = [...new Set(known.map((skill) => skill.name))].sort();
  return new Error(`Skill "${name}" not found. Available skills: ${names.join(", ") || "none"}`);
}

interface Loaded {
  readonly content: string;
  readonly dir: string;
  readonly files: readonly string[];
  readonly note?: string;
}

async function fromWorkspace(session: SandboxSession, skill: WorkspaceSkill, signal: AbortSignal): Promise<Loaded> {
  const dir = folderOf(skill);
  const [text, listed] = await Promise.all([
    session.files.readText(skill.location, { maxBytes: MOST_BYTES, signal }),
    // Without `ask`: nobody is asked for the list, in OpenCode neither. Hidden files, which OpenCode lists, are left out, as of a
    // skill of the user's they stay on his machine.
    session.tools.call("glob", { pattern: "!**/SKILL.md", path: dir }, { signal }),
  ]);
  if (listed.failed) throw new Error(listed.output);
  const content = contentOf(skill, text);
  if (content === undefined) throw new Error(`The skill "${skill.name}" is no longer in ${skill.location}.`);
  return { content, dir, files: listed.output.split("\n").filter((line) => line.startsWith(`${dir}/`)) };
}

/** Where the user's skill of this name is on OpenCode's machine; nothing for one that comes with OpenCode. */
export async function hostFolderOf(client: PluginInput["client"], name: string): Promise<string | undefined> {
  const skill = (await hostSkills(client)).find((one) => one.name === name);
  return skill && isAbsolute(skill.location) ? dirname(skill.location) : undefined;
}

async function hostSkills(client: PluginInput["client"], abort?: AbortSignal): Promise<HostSkill[]> {
  const deadline = AbortSignal.timeout(LOOKUP_TIMEOUT_MS);
  const signal = abort ? AbortSignal.any([abort, deadline]) : deadline;
  const answer = await rawClient(client)?.get({ url: "/skill", signal });
  const data = answer?.data;
  if (!Array.isArray(data)) throw new Error("OpenCode does not say which skills it has.");
  return data as HostSkill[];
}

async function fromHost(session: SandboxSession, skill: HostSkill, signal: AbortSignal): Promise<Loaded> {
  const { name, location, content } = skill;
  // One that comes with OpenCode has no folder.
  if (!isAbsolute(location)) return { content, dir: ".", files: [] };
  const hostDir = dirname(location);
  const { folder, files, note } = await carryFiles(name, hostDir, async () => session, signal);
  const beside = files.filter((path) => posix.basename(path) !== "SKILL.md");
  return { content: content.replaceAll(hostDir, () => folder), dir: folder, files: beside, note };
}

function outputOf(name: string, content: string, dir: string, files: readonly string[]): string {
  return [
    `<skill_content name="${name}">`,
    `# Skill: ${name}`,
    "",
    content.trim(),
    "",
    `Base directory for this skill: ${dir}`,
    "Relative paths in this skill (e.g., scripts/, reference/) are relative to this base directory.",
    "Note: file list is sampled.",
    "",
    "<skill_files>",
    files.slice(0, MOST_LISTED).map((path) => `<file>${path}</file>`).join("\n"),
    "</skill_files>",
    "</skill_content>",
  ].join("\n");
}
