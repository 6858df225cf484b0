// The skills that the workspace's own project brings, in the places where OpenCode 1.18.33 looks in a project. What the sandbox
// says of them is hostile: it is bounded, and a name is never part of a path.
import { posix } from "node:path";
import { isSwitchedOn } from "../host/environment.ts";
import { WORKSPACE } from "../host/workspace.ts";
import { HEAD_BYTES, parseDocument } from "./front-matter.ts";

export interface WorkspaceSkill {
  readonly name: string;
  /** One line. Without one, a skill can be loaded, but is not in the list. */
  readonly description: string | undefined;
  /** The file, in the sandbox. */
  readonly location: string;
}

/** Later ones win, where a name is given twice. (OpenCode reads all at once, and the last one that was read wins.) */
const PLACES = [".claude/skills", ".agents/skills", ".opencode/skill", ".opencode/skills"];
const FILE = "SKILL.md";

const MOST_SKILLS = 50;
const MOST_LEVELS = 6;
const PATH_CHARACTERS = 512;
const DESCRIPTION_CHARACTERS = 1_024;
const FIND_SECONDS = 2;

/** No sign that means something in a permission's pattern or in the prompt. OpenCode itself takes any text. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N} _.:-]{0,63}$/u;

/** The most that `listScript` prints. */
export const LIST_BYTES = MOST_SKILLS * (HEAD_BYTES + PATH_CHARACTERS + 2) + 1;

/** Prints of each skill its path and the beginning of its file, with a NUL after each, and another NUL at the end. */
export function listScript(environment: NodeJS.ProcessEnv = process.env): string {
  const places = placesFor(environment);
  if (places.length === 0) return "printf '\\0'";
  return [
    `set --; for d in ${places.join(" ")}; do [ -d "$d" ] && set -- "$@" "$d"; done`,
    `t=; command -v timeout >/dev/null && t="timeout ${FIND_SECONDS}"`,
    // A link may lead anywhere: it is followed to where skills usually are, and no further. The other way round, as the first ones
    // are kept.
    `skills() { for d; do for f in "$d"/*/${FILE} "$d"/*/*/${FILE}; do [ -f "$f" ] && printf '%s\\n' "$f"; done; done`,
    `$t find -H "$@" -maxdepth ${MOST_LEVELS} -name ${FILE} 2>/dev/null; }`,
    `[ $# -eq 0 ] || skills "$@" | LC_ALL=C sort -ru | head -n ${MOST_SKILLS} | while IFS= read -r f; do ` +
      `[ -f "$f" ] && [ \${#f} -le ${PATH_CHARACTERS} ] && ` +
      `{ printf '%s\\0' "$f"; head -c ${HEAD_BYTES} "$f"; printf '\\0'; }; done`,
    `printf '\\0'`,
  ].join("\n");
}

/** OpenCode's own switches hold here too. */
function placesFor(environment: NodeJS.ProcessEnv): string[] {
  const external = !isSwitchedOn(environment, "OPENCODE_DISABLE_EXTERNAL_SKILLS");
  const claude =
    external && !isSwitchedOn(environment, "OPENCODE_DISABLE_CLAUDE_CODE", "OPENCODE_DISABLE_CLAUDE_CODE_SKILLS");
  const project = !isSwitchedOn(environment, "OPENCODE_DISABLE_PROJECT_CONFIG");
  return PLACES.filter((place) => (place.startsWith(".claude") ? claude : place.startsWith(".agents") ? external : project));
}

export interface Listing {
  readonly skills: readonly WorkspaceSkill[];
  /** Why files were passed over, a sentence each. */
  readonly problems: readonly string[];
  /** What was printed after the list. */
  readonly rest: string;
}

/** Takes apart what `listScript` printed. Whatever that is, all that comes of it is within the bounds. */
export function parseListing(printed: string): Listing {
  const found: [path: string, head: string][] = [];
  let at = 0;
  while (printed[at] !== "\0") {
    const pathEnd = printed.indexOf("\0", at);
    const headEnd = pathEnd < 0 ? -1 : printed.indexOf("\0", pathEnd + 1);
    if (headEnd < 0 || found.length === MOST_SKILLS) return { ...choose(found), rest: "" };
    found.push([printed.slice(at, pathEnd), printed.slice(pathEnd + 1, headEnd)]);
    at = headEnd + 1;
  }
  return { ...choose(found), rest: printed.slice(at + 1) };
}

function choose(found: readonly [path: string, head: string][]): Omit<Listing, "rest"> {
  const rank = (path: string): number => PLACES.findIndex((place) => path.startsWith(`${place}/`));
  const inOrder = [...found].sort(([one], [other]) => rank(one) - rank(other) || (one < other ? -1 : 1));
  const skills = new Map<string, WorkspaceSkill>();
  const problems: string[] = [];
  for (const [path, head] of inOrder) {
    if (!isPlace(path)) continue;
    try {
      const skill = skillOf(`${WORKSPACE}/${path}`, head);
      skills.set(skill.name, skill);
    } catch (error) {
      const reason = error instanceof Error ? error.message.split("\n", 1)[0] : String(error);
      problems.push(`${path}: ${reason?.slice(0, 200)}`);
    }
  }
  return { skills: [...skills.values()], problems };
}

/** Whether OpenCode would look at this file. It does not look into hidden folders of its own one. */
function isPlace(path: string): boolean {
  const place = PLACES.find((one) => path.startsWith(`${one}/`));
  if (!place || path.length > PATH_CHARACTERS || /[\p{C}\uFFFD]/u.test(path)) return false;
  const parts = path.slice(place.length + 1).split("/");
  if (parts.at(-1) !== FILE || parts.some((part) => part === "" || part === "." || part === "..")) return false;
  return !place.startsWith(".opencode/") || !parts.some((part) => part.startsWith("."));
}

function skillOf(location: string, head: string): WorkspaceSkill {
  const { name, description } = parseDocument(head).data;
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new Error("its name must be of up to 64 letters, digits, spaces and _.:-");
  }
  if (description !== undefined && typeof description !== "string") throw new Error("its description is not text");
  return { name, description: description === undefined ? undefined : oneLine(description), location };
}

function oneLine(description: string): string {
  const line = description.replace(/[\s\p{C}]+/gu, " ").trim();
  return line.length > DESCRIPTION_CHARACTERS ? `${line.slice(0, DESCRIPTION_CHARACTERS)}...` : line;
}

/** What a skill's file says once its head is gone; nothing when it is another skill by now. */
export function contentOf(skill: WorkspaceSkill, text: string): string | undefined {
  const { data, content } = parseDocument(text);
  return data["name"] === skill.name ? content.trim() : undefined;
}

/** Where a skill's files are, in the sandbox. */
export function folderOf({ location }: WorkspaceSkill): string {
  return posix.dirname(location);
}
