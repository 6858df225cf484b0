// The head of a skill's file, between two lines `---`, as OpenCode 1.18.33 takes it apart with gray-matter and js-yaml. Not with
// gray-matter itself: it would run what stands after `---js` as a program.
import yaml from "js-yaml";

export interface Document {
  readonly data: Readonly<Record<string, unknown>>;
  readonly content: string;
}

/** What of a file has to be read for its head; a longer one is refused. */
export const HEAD_BYTES = 4_096;

const MARK = "---";
const YAML = ["", "yaml", "yml"];

/** Throws when the head is not YAML, or too long. */
export function parseDocument(text: string): Document {
  text = text.replace(/^\uFEFF/, "");
  if (!text.startsWith(MARK) || text[MARK.length] === "-") return { data: {}, content: text };
  const start = text.search(/\r?\n|$/);
  const language = text.slice(MARK.length, start).trim().toLowerCase();
  if (!YAML.includes(language)) throw new Error(`its head is not YAML but "${language.slice(0, 20)}"`);
  const end = text.indexOf(`\n${MARK}`, start);
  const head = text.slice(start, end < 0 ? undefined : end);
  // Of a text that was cut, its last sign may be missing.
  if (Buffer.byteLength(head) + start >= HEAD_BYTES - 3) throw new Error(`its head is longer than ${HEAD_BYTES} bytes`);
  const content = end < 0 ? "" : text.slice(end + 1 + MARK.length).replace(/^\r?\n?/, "");
  return { data: parseHead(head), content };
}

function parseHead(head: string): Record<string, unknown> {
  let data: unknown;
  try {
    data = yaml.safeLoad(head);
  } catch {
    data = yaml.safeLoad(withBlocks(head));
  }
  return typeof data === "object" && data !== null ? (data as Record<string, unknown>) : {};
}

/** What people write and YAML does not allow, `description: One: two`, as a block. */
function withBlocks(head: string): string {
  const blockOf = (line: string): string => {
    const [, key, value] = /^([a-zA-Z_]\w*)\s*:\s*(.*)$/.exec(line) ?? [];
    return key === undefined || value === undefined || !value.includes(":") || /^["'>|]/.test(value)
      ? line
      : `${key}: |-\n  ${value.trim()}`;
  };
  return head.split(/\r?\n/).map(blockOf).join("\n");
}
