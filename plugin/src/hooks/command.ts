// `command.execute.before`: what a /command's text says of OpenCode's machine becomes what is in the sandbox.
//
// OpenCode has filled in the template's !`commands` by now, through bin/sandbridge-shell but without saying for which session.
// That runs nothing: it leaves each command in the text, and here, where the session is known, it is run in the sandbox.
import { join, posix } from "node:path";
import { pathToFileURL } from "node:url";
import type { Hooks } from "@opencode-ai/plugin";
import type { SandboxSession } from "../client/types.ts";
import { WORKSPACE } from "../host/workspace.ts";
import { carryFiles } from "../skills/host-files.ts";
import { replacePath } from "./system.ts";
import { MENTION } from "./tool-before.ts";

type Parts = Parameters<NonNullable<Hooks["command.execute.before"]>>[1]["parts"];
type OpenSession = () => Promise<SandboxSession>;

/** What bin/sandbridge-shell leaves. */
const LEFT = /<sandbridge-command ([A-Za-z0-9+/=]+)>/g;

/** How OpenCode ends a skill that is called as a command. */
const SKILL_FOLDER = "\nBase directory for this skill: ";

/** OpenCode waits for ever. */
const COMMAND_TIMEOUT_MS = 10 * 60_000;
const LOOKUP_TIMEOUT_MS = 10_000;
const MOST_OUTPUT_BYTES = 1 << 20;
const MOST_MENTIONS = 20;

export function commandHook(
  directory: string,
  worktree: string,
  sessionOf: (sessionID: string) => Promise<SandboxSession>,
  hostFolderOf: (skill: string) => Promise<string | undefined>,
): NonNullable<Hooks["command.execute.before"]> {
  return async ({ command, sessionID }, { parts }) => {
    const openSession: OpenSession = () => sessionOf(sessionID);
    for (const part of [...parts]) {
      if (part.type === "text") {
        const text = await carryFolder(part.text, command, hostFolderOf, openSession);
        // Before the outputs are there, whose words are nobody's mentions.
        parts.push(...(await mentioned(text, directory, openSession)).filter((file) => !isAmong(parts, file)) as Parts);
        part.text = await runLeft(withoutHostPaths(text, directory, worktree), openSession);
      } else if (part.type === "subtask") {
        part.prompt = await runLeft(withoutHostPaths(part.prompt, directory, worktree), openSession);
      }
    }
  };
}

/** A skill that is called as a command names its folder, which is then copied as when the model loads the skill. */
async function carryFolder(
  text: string,
  name: string,
  hostFolderOf: (skill: string) => Promise<string | undefined>,
  openSession: OpenSession,
): Promise<string> {
  if (!text.includes(SKILL_FOLDER)) return text;
  // Not what the text says: an MCP server's prompt, or a skill's own words, may name any folder.
  const dir = await hostFolderOf(name);
  if (dir === undefined || !text.includes(`${SKILL_FOLDER}${dir}\n`)) return text;
  const { folder, note } = await carryFiles(name, dir, openSession);
  return text.replaceAll(dir, () => folder) + note;
}

/** The commands /init and /review name the repository's folder, which is "/" where there is none. */
export function withoutHostPaths(text: string, directory: string, worktree: string): string {
  const paths = [...new Set([directory, worktree])].filter((path) => path.length > 1);
  let replaced = paths
    .sort((one, other) => other.length - one.length)
    .reduce((changed, path) => replacePath(changed, path, WORKSPACE), text);
  if (worktree === "/") replaced = replaced.replaceAll("already exists at `/`", `already exists at \`${WORKSPACE}\``);
  return replaced;
}

interface File {
  readonly type: "file";
  readonly mime: string;
  readonly filename: string;
  readonly url: string;
}

/** Files of the workspace that OpenCode, which looks on its own machine, has not found: `chat.message` fills them in. */
async function mentioned(text: string, directory: string, openSession: OpenSession): Promise<File[]> {
  const names = new Map<string, string>();
  for (const [, name] of text.matchAll(MENTION)) {
    if (!name) continue;
    const path = posix.resolve(WORKSPACE, name);
    // Whoever wrote the template, nobody is asked: only the workspace is open to everybody anyway.
    if (path.startsWith(`${WORKSPACE}/`) && names.size < MOST_MENTIONS) names.set(path, name);
  }
  if (names.size === 0) return [];
  const there = await existing([...names.keys()], openSession);
  return there.map((path) => ({
    type: "file",
    mime: "text/plain",
    filename: names.get(path) as string,
    url: pathToFileURL(join(directory, posix.relative(WORKSPACE, path))).href,
  }));
}

/** Makes no sandbox. When it cannot be reached, mentions stay the words that they are. */
async function existing(paths: readonly string[], openSession: OpenSession): Promise<string[]> {
  const signal = AbortSignal.timeout(LOOKUP_TIMEOUT_MS);
  try {
    const session = await openSession();
    const { status } = await session.info({ signal });
    if (status === "none" || status === "terminated") return [];
    const script = 'for f; do if [ -e "$f" ]; then echo y; else echo n; fi; done';
    const { stdout } = await session.run(["sh", "-c", script, "sh", ...paths], { signal });
    const found = stdout.split("\n");
    return paths.filter((_path, index) => found[index] === "y");
  } catch {
    return [];
  }
}

function isAmong(parts: Parts, { filename }: File): boolean {
  return parts.some((part) => part.type === "file" && part.filename === filename);
}

/** All at once, as OpenCode runs them; what comes of it is trimmed, as OpenCode would have done. */
async function runLeft(text: string, openSession: OpenSession): Promise<string> {
  const commands = [...text.matchAll(LEFT)].map(([, encoded]) => Buffer.from(encoded as string, "base64").toString());
  if (commands.length === 0) return text;
  const outputs = await Promise.all(commands.map((command) => outputOf(command, openSession)));
  let next = 0;
  return text.replace(LEFT, () => outputs[next++] as string).trim();
}

async function outputOf(command: string, openSession: OpenSession): Promise<string> {
  try {
    const session = await openSession();
    const { stdout, truncated } = await session.run(["bash", "-c", command], {
      timeoutMs: COMMAND_TIMEOUT_MS,
      maxOutputBytes: MOST_OUTPUT_BYTES,
    });
    return truncated ? `${stdout}\n(sandbridge: the output was longer and is cut here.)` : stdout;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `sandbridge: nothing was run on this machine, and the sandbox did not run it: ${reason}`;
  }
}
