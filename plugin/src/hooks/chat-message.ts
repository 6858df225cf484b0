// `chat.message`: OpenCode has read the files that a prompt mentions (`@file`, `run -f`, `file:` parts) from its own machine by now.
// The sandbox's file of the same path takes the place of each, in the words in which OpenCode puts it.
import { realpathSync } from "node:fs";
import { isAbsolute, posix, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import type { Hooks } from "@opencode-ai/plugin";
import type { SandboxSession, ToolResult } from "../client/types.ts";
import { WORKSPACE } from "../host/workspace.ts";
import { toolError } from "../tools/forward.ts";

type Part = Parameters<NonNullable<Hooks["chat.message"]>>[1]["parts"][number];
type TextPart = Extract<Part, { type: "text" }>;
type FilePart = Extract<Part, { type: "file" }>;

const CALLED = "Called the Read tool with the following input: ";
const DIRECTORY = "application/x-directory";
const FAILED = /^Read tool failed to read ([\s\S]*?) with the following error: /;

/** How `tool.execute.before` leaves a mention in a subagent's prompt. */
const QUOTED_MENTION = /`@([^\s`]+)`/g;
const MOST_MENTIONS = 20;

/** How long a prompt waits for the sandbox's files, which includes a sandbox that has to be made first. */
const READ_TIMEOUT_MS = 60_000;

type Reader = (args: ReadArguments) => Promise<ToolResult>;

interface ReadArguments {
  readonly filePath: string;
  readonly offset?: number;
  readonly limit?: number;
}

export function chatMessageHook(
  directories: readonly string[],
  sessionOf: (sessionID: string) => Promise<SandboxSession>,
): NonNullable<Hooks["chat.message"]> {
  const toSandbox = pathsOf(directories);
  return async ({ sessionID }, { parts }) => {
    let session: Promise<SandboxSession> | undefined;
    const signal = AbortSignal.timeout(READ_TIMEOUT_MS);
    const read: Reader = async (args) => {
      session ??= sessionOf(sessionID);
      // Without `ask`: as in OpenCode, the user who names a file is not asked whether it may be read.
      return (await session).tools.call("read", args, { signal });
    };
    await replaceHostFiles(parts, toSandbox, read);
    // In a user's own prompt quotes say that it is no mention.
    if (parts.some(mentionsQuoted) && (await isSubagent(sessionOf(sessionID)))) await attachMentioned(parts, toSandbox, read);
  };
}

function mentionsQuoted(part: Part): part is TextPart {
  return part.type === "text" && !part.synthetic && part.text.search(QUOTED_MENTION) >= 0;
}

/** When OpenCode does not say, the words stay what they are. */
async function isSubagent(session: Promise<SandboxSession>): Promise<boolean> {
  return await session.then(({ id, root }) => id !== root, () => false);
}

/** Adds the workspace's files that a subagent's prompt mentions. What is no file there stays the word that it is. */
async function attachMentioned(parts: Part[], toSandbox: (path: string) => string, read: Reader): Promise<void> {
  for (const part of [...parts]) {
    if (!mentionsQuoted(part)) continue;
    const paths = new Set([...part.text.matchAll(QUOTED_MENTION)].map(([, name]) => toSandbox(name as string)));
    // A model wrote them, and nobody is asked: only the workspace is open to it anyway.
    const inside = [...paths].filter((path) => path.startsWith(`${WORKSPACE}/`));
    const found = await Promise.all(
      inside.slice(0, MOST_MENTIONS).map(async (filePath, index) => {
        const args = { filePath };
        const result = await attempt(read, args);
        return result.failed ? [] : fill([{ ...part, synthetic: true, id: `${part.id}${index}f` }], args, result);
      }),
    );
    parts.splice(parts.indexOf(part) + 1, 0, ...found.flat());
  }
}

/** Changes the parts in place. Nothing of a host file stays, whatever `read` does. */
export async function replaceHostFiles(
  parts: Part[],
  toSandbox: (path: string) => string,
  read: Reader,
): Promise<void> {
  const groups = findHostFiles(parts);
  const replaced = await Promise.all(
    groups.map(async (group) => {
      if ("kept" in group) return [group.kept];
      const args = { ...group.args, filePath: toSandbox(group.args.filePath) };
      return fill(group.parts, args, await attempt(read, args));
    }),
  );
  parts.splice(0, parts.length, ...replaced.flat());
}

type Group = { readonly kept: Part } | { readonly parts: [TextPart, ...Part[]]; readonly args: ReadArguments };

/** Which parts stand for one file, as OpenCode makes them; every other part by itself. */
function findHostFiles(parts: readonly Part[]): Group[] {
  const groups: Group[] = [];
  for (let next = 0; next < parts.length; ) {
    const first = parts[next++] as Part;
    const path = isSynthetic(first) ? FAILED.exec(first.text)?.[1] : undefined;
    if (isSynthetic(first) && path !== undefined) {
      groups.push({ parts: [first], args: { filePath: path } });
      continue;
    }
    if (!isSynthetic(first) || !first.text.startsWith(CALLED)) {
      groups.push({ kept: first });
      continue;
    }
    const group: [TextPart, ...Part[]] = [first];
    const output = parts[next];
    const failed = isSynthetic(output) && FAILED.test(output.text);
    if (isSynthetic(output)) group.push(parts[next++] as Part);
    // What the built-in read tool attached, or else the file itself.
    if (isAttached(parts[next])) while (isAttached(parts[next])) group.push(parts[next++] as FilePart);
    else if (!failed && parts[next]?.type === "file") group.push(parts[next++] as FilePart);
    if (isPasted(group)) groups.push(...group.map((kept) => ({ kept })));
    else groups.push({ parts: group, args: argumentsIn(first.text.slice(CALLED.length)) });
  }
  return groups;
}

function isSynthetic(part: Part | undefined): part is TextPart {
  return part?.type === "text" && part.synthetic === true;
}

/** OpenCode marks so what its read tool attached; its types do not say. */
function isAttached(part: Part | undefined): boolean {
  return part?.type === "file" && "synthetic" in part;
}

/** Text that came with the prompt as data is put in the same words, with itself as the file. */
function isPasted(group: readonly Part[]): boolean {
  const file = group[2];
  return file?.type === "file" && file.mime === "text/plain" && /^data:/i.test(file.url) && !isAttached(file);
}

function argumentsIn(text: string): ReadArguments {
  try {
    return JSON.parse(text) as ReadArguments;
  } catch {
    // For files that are not text OpenCode puts the path between quotes as it is.
    return { filePath: text.slice('{"filePath":"'.length, -'"}'.length) };
  }
}

async function attempt(read: Reader, args: ReadArguments): Promise<ToolResult> {
  try {
    return await read(args);
  } catch (thrown) {
    const error = toolError(thrown);
    const output = error instanceof Error ? error.message : String(error);
    return { failed: true, title: "", output, metadata: {}, attachments: [] };
  }
}

/** The parts that OpenCode would have made of the sandbox's file. */
function fill([called, ...rest]: readonly [TextPart, ...Part[]], args: ReadArguments, result: ToolResult): Part[] {
  const { messageID, sessionID } = called;
  const text = (content: string) => ({ type: "text", synthetic: true, text: content }) as const;
  // Parts are kept in the order of their ids: the first one's stands before what it begins, and that before the next part's.
  const place = <Body>(body: Body, index: number) =>
    ({ ...body, id: index === 0 ? called.id : `${called.id}${index}`, messageID, sessionID });

  if (result.failed) {
    const reason = result.output.trim().replaceAll(/\s*\n\s*/g, " ");
    const note =
      `Read tool failed to read ${args.filePath} with the following error: ${reason} ` +
      `(Files are attached from this session's sandbox, not from the machine that OpenCode runs on.)`;
    return [place(text(note), 0)];
  }
  const given = rest.find((part) => part.type === "file");
  const filename = given?.filename ?? posix.basename(args.filePath);
  const source = given?.source && { source: given.source };
  const files = result.attachments.map(({ mime, data, filename: named }) => ({
    type: "file" as const,
    ...{ mime, filename: named ?? filename, ...source },
    url: `data:${mime};base64,${Buffer.from(data).toString("base64")}`,
  }));
  if (files.length === 0) {
    // Shown to the user; the model gets the text.
    const mime = given?.mime === DIRECTORY ? DIRECTORY : "text/plain";
    files.push({ type: "file", mime, filename, ...source, url: pathToFileURL(args.filePath).href });
  }
  return [text(CALLED + JSON.stringify(args)), text(result.output), ...files].map(place);
}

/**
 * What a path on OpenCode's machine is in the sandbox: its directories (the first that holds the path) are the workspace, all
 * else has the same path.
 */
export function pathsOf(directories: readonly string[]): (path: string) => string {
  // OpenCode's worktree is "/" where there is no repository.
  const roots = directories.filter((directory) => directory !== "/").flatMap((directory) => [directory, ...realPath(directory)]);
  return (path) => {
    if (!isAbsolute(path)) return posix.resolve(WORKSPACE, path);
    for (const root of roots) {
      const inside = relative(root, path);
      if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) continue;
      return posix.join(WORKSPACE, ...inside.split(sep));
    }
    return path;
  };
}

function realPath(directory: string): string[] {
  try {
    return [realpathSync(directory)];
  } catch {
    return []; // it is gone, and so are its files
  }
}
