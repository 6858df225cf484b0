// Instruction files (AGENTS.md and the like) of the workspace: OpenCode looks for them on its own machine. The model gets the
// sandbox's in their place, in OpenCode's words. What the user wrote for every project, or names in the configuration, stays.
import { readFileSync } from "node:fs";
import { basename, dirname, relative, isAbsolute, sep } from "node:path";
import { WORKSPACE } from "../host/workspace.ts";

/** OpenCode 1.18.33: the first of these that a directory has. */
const NAMES = ["AGENTS.md", "CLAUDE.md", "CONTEXT.md"];
const HEADING = "Instructions from: ";
const USERS = new RegExp(`^${HEADING}(/.+)$`, "gm");
/** What may come after a section, when the host's file has changed since OpenCode read it. */
const NEXT = new RegExp(`\n(?:${HEADING}|Skills provide specialized instructions)`);

const MAX_BYTES = 256 << 10;

/** The most that `INSTRUCTIONS_SCRIPT` prints. */
export const INSTRUCTIONS_BYTES = MAX_BYTES + 64;

/** Prints the file's name and the beginning of its text; nothing when there is none. */
export const INSTRUCTIONS_SCRIPT = `for f in ${NAMES.join(" ")}; do [ -f "$f" ] && { echo "$f"; exec head -c ${MAX_BYTES} "$f"; }; done; true`;

/** What the prompt says of what `INSTRUCTIONS_SCRIPT` printed, or "". */
export function instructionsSection(printed: string): string {
  const end = printed.indexOf("\n");
  const [name, text] = [printed.slice(0, end), printed.slice(end + 1)];
  return NAMES.includes(name) && text.trim() !== "" ? `${HEADING}${WORKSPACE}/${name}\n${text}` : "";
}

/**
 * The system prompt without the instruction files that OpenCode found for the host's project. The user's own stay, without the
 * places where they are.
 */
export function withoutHostInstructions(system: string, hostDirectories: readonly string[]): string {
  const headings = [...system.matchAll(new RegExp(`^${HEADING}(.+)$`, "gm"))];
  // From the last: a heading within a file's text is gone with that file, or is no path of the host's.
  for (const heading of headings.reverse()) {
    const [line, path] = heading as unknown as [string, string];
    if (!isProjects(path, hostDirectories)) continue;
    const start = heading.index;
    const text = start + line.length + 1;
    system = system.slice(0, start) + system.slice(endOf(system, text, path));
  }
  return system.replace(USERS, (_line, path: string) => `${HEADING}${basename(path)} (the user's own, which is not in the sandbox)`);
}

function endOf(system: string, start: number, path: string): number {
  const content = contentOf(path);
  // A newline stands between two sections.
  if (content !== undefined && system.startsWith(content, start)) return Math.min(start + content.length + 1, system.length);
  const next = NEXT.exec(system.slice(start));
  return next ? start + next.index + 1 : system.length;
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // it is gone: then the next section tells its end
  }
}

/** OpenCode looks in its directory and above it, up to the root where there is no repository. */
function isProjects(path: string, hostDirectories: readonly string[]): boolean {
  if (!NAMES.includes(basename(path))) return false;
  return hostDirectories.some((directory) => isWithin(directory, path) || isWithin(dirname(path), directory));
}

function isWithin(directory: string, path: string): boolean {
  const inside = relative(directory, path);
  return inside !== "" && inside !== ".." && !inside.startsWith(`..${sep}`) && !isAbsolute(inside);
}
