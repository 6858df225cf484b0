// The files of a skill on the user's machine. They are copied into the session's sandbox when the skill is loaded, and the model is
// told where they are there.
import type { Dirent } from "node:fs";
import { access, constants, readdir, readFile, stat } from "node:fs/promises";
import { join, posix, relative, sep } from "node:path";
import type { SandboxSession } from "../client/types.ts";

/** OpenCode asks nobody before it reads here. */
const FOLDER = "/tmp/opencode/skills";

/** A folder with more than this is not one of a skill's, but somebody's project. */
const MOST_FILES = 200;
const MOST_BYTES = 8 << 20;
const MOST_LEVELS = 8;
const AT_ONCE = 8;
const DEADLINE_MS = 60_000;

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

export interface Carried {
  readonly folder: string;
  /** Those that are there now. */
  readonly files: readonly string[];
  /** When they could not be copied, what the model is told of it at the end; or "". */
  readonly note: string;
}

/** Copies what is in the folder `dir` to where `skillFolder` says. Hidden files (.env, .git) and links stay where they are. */
export async function carryFiles(
  name: string,
  dir: string,
  openSession: () => Promise<SandboxSession>,
  signal?: AbortSignal,
): Promise<Carried> {
  const folder = skillFolder(name);
  try {
    const files = await filesIn(dir);
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    if (files.length > 0) await copy(files, folder, await openSession(), signal ? AbortSignal.any([signal, deadline]) : deadline);
    return { folder, files: files.map(({ path }) => posix.join(folder, path)).sort(), note: "" };
  } catch (error) {
    signal?.throwIfAborted();
    // An error of the file system names the host's folder.
    const reason = (error instanceof Error ? error.message : String(error)).replaceAll(dir, () => folder);
    return { folder, files: [], note: `\n\nThe files of this skill could not be copied into the sandbox: ${reason}` };
  }
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

async function copy(
  files: readonly SkillFile[],
  folder: string,
  session: SandboxSession,
  signal: AbortSignal,
): Promise<void> {
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
