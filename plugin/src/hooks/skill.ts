// Skills: OpenCode's own tool reads a skill's text from the user's machine and names the files beside it. They are copied into
// the session's sandbox when the skill is loaded, and the model is told where they are there.
import type { Dirent } from "node:fs";
import { access, constants, readdir, readFile, stat } from "node:fs/promises";
import { isAbsolute, join, posix, relative, sep } from "node:path";
import type { Hooks } from "@opencode-ai/plugin";
import type { SandboxSession } from "../client/types.ts";

/** OpenCode asks nobody before it reads here. */
const FOLDER = "/tmp/opencode/skills";

/** A folder with more than this is not one of a skill's, but somebody's project. */
const MOST_FILES = 200;
const MOST_BYTES = 8 << 20;
const MOST_LEVELS = 8;
const AT_ONCE = 8;
const DEADLINE_MS = 60_000;

/** The names in OpenCode's list of files, a line each. */
const LISTED = /(?<=<skill_files>\n)(?:<file>.*<\/file>\n)*(?=<\/skill_files>)/;

interface SkillFile {
  /** Relative to the skill's folder, with "/". */
  readonly path: string;
  readonly source: string;
  readonly executable: boolean;
}

/** Where a skill's files are in the sandbox, once it is loaded. */
export function skillFolder(name: string): string {
  return posix.join(FOLDER, name.replace(/[^\w-]/g, "_") || "_");
}

/**
 * Changes what the tool `skill` answered. Hidden files (.env, .git) and links stay where they are. When the files cannot be
 * copied the model is told so, and gets the skill's text all the same.
 */
export async function carrySkill(
  output: Parameters<NonNullable<Hooks["tool.execute.after"]>>[1],
  openSession: () => Promise<SandboxSession>,
): Promise<void> {
  const { name, dir } = output.metadata as { name?: unknown; dir?: unknown };
  if (typeof name !== "string" || typeof dir !== "string" || !isAbsolute(dir)) {
    // One that comes with OpenCode has no folder; OpenCode then lists files of the directory that it runs in.
    output.output = output.output.replace(LISTED, "");
    return;
  }
  const folder = skillFolder(name);
  let note = "";
  try {
    const files = await filesIn(dir);
    if (files.length > 0) await copy(files, folder, await openSession());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    note = `\n\nThe files of this skill could not be copied into the sandbox: ${reason}`;
  }
  const text = output.output.replace(LISTED, (lines) => lines.split("\n").filter(isCopied(dir)).join("\n"));
  output.output = text.replaceAll(dir, () => folder) + note;
  output.metadata = { ...output.metadata, dir: folder };
}

function isCopied(dir: string): (line: string) => boolean {
  const beginning = `<file>${dir}`;
  return (line) => line === "" || (line.startsWith(beginning + sep) && !line.slice(beginning.length).includes(`${sep}.`));
}

async function filesIn(root: string): Promise<SkillFile[]> {
  const found: SkillFile[] = [];
  let bytes = 0;
  const walk = async (folder: string, level: number): Promise<void> => {
    const entries: Dirent[] = await readdir(folder, { withFileTypes: true });
    for (const entry of entries) {
      if (entry.name.startsWith(".")) continue;
      const source = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (level === MOST_LEVELS) throw new Error(`its folders are nested more than ${MOST_LEVELS} deep`);
        await walk(source, level + 1);
      } else if (entry.isFile()) {
        bytes += (await stat(source)).size;
        if (found.length === MOST_FILES) throw new Error(`there are more than ${MOST_FILES} files in its folder`);
        if (bytes > MOST_BYTES) throw new Error(`they are more than ${MOST_BYTES >> 20} MiB`);
        const path = relative(root, source).split(sep).join("/");
        found.push({ path, source, executable: await isExecutable(source) });
      }
    }
  };
  await walk(root, 0);
  return found;
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(() => true, () => false);
}

async function copy(files: readonly SkillFile[], folder: string, session: SandboxSession): Promise<void> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const waiting = [...files];
  const work = async (): Promise<void> => {
    for (let file = waiting.pop(); file; file = waiting.pop()) {
      await session.files.write(posix.join(folder, file.path), await readFile(file.source), { signal });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const programs = files.filter(({ executable }) => executable).map(({ path }) => posix.join(folder, path));
  if (programs.length > 0) await session.run(["chmod", "+x", "--", ...programs], { signal });
}
