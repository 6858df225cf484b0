// Two views of one case, told apart. Paths and times are made equal, nothing else.

/** Where either side keeps the output that was cut: the path differs, and its name from call to call. */
const KEPT_OUTPUT = /(?:\/[\w.-]+)*\/(?:tool-output|\.sandbridge\/output)\/tool_\w+/g;

/** The differences, each as one line of text. */
export function differences(one, host, sandbox) {
  const found = [];
  const look = (what, left, right) => {
    if (typeof left === "string" && typeof right === "string") {
      if (one.kept !== "any" || !isLessOfTheSame(left, right)) lookAtText(found, what, left, right);
      return;
    }
    if (isObject(left) && isObject(right)) {
      for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) look(`${what}.${key}`, left[key], right[key]);
    } else if (left !== right) found.push(`${what}: ${short(left)} became ${short(right)}`);
  };
  look("case", seenOf(one, host), seenOf(one, sandbox));
  return found;
}

const isObject = (value) => typeof value === "object" && value !== null;

function seenOf(one, seen) {
  const { asked, ...rest } = normal(one, seen);
  return { asked: one.order === "any" ? asked.map((question) => JSON.stringify(question)).sort() : asked, ...rest };
}

function normal(one, value) {
  if (typeof value === "string") return unordered(one, value.replaceAll(KEPT_OUTPUT, "/OUTPUT"));
  if (Array.isArray(value)) return value.map((item) => normal(one, item));
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, normal(one, item)]));
  return value;
}

/**
 * glob's lines, and grep's blocks of one file each, come in the order of ripgrep's threads, and so do the lines of cases that
 * say so: as sets they are compared.
 */
function unordered({ tool, order, which }, text) {
  if (which === "any") text = text.replace(/^\/.*$/gm, "/PATH");
  if (tool === "glob" || order === "any") return text.split("\n").sort().join("\n");
  if (tool !== "grep" || !text.startsWith("Found ")) return text;
  const [head, ...rest] = text.split("\n");
  const blocks = rest.join("\n").split(/\n(?=\/)/).map((block) => block.trimEnd());
  return [head, ...blocks.sort()].join("\n");
}

/** Of output whose beginning was cut. Where the cut falls on the end of a line, that may show as an empty one. */
function isLessOfTheSame(left, right) {
  const head = /^\.\.\.output truncated\.\.\.\n\nFull output saved to: \/OUTPUT\n\n/;
  const [kept, whole] = [left, right].map((text) => text.replace(head, ""));
  return kept !== left && whole !== right && kept.length > 1 && whole.endsWith(kept.replace(/^\n/, ""));
}

function lookAtText(found, what, left, right) {
  if (left === right) return;
  let at = 0;
  while (at < left.length && left[at] === right[at]) at++;
  const from = Math.max(0, at - 60);
  found.push(`${what} from ${at}: ${short(left.slice(from))} became ${short(right.slice(from))}`);
}

function short(value) {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 240 ? `${text.slice(0, 240)}...` : text;
}
