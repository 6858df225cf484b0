// The calls that are made on both sides, each a line of JSON:
//
//   id        "tool/what-it-shows"
//   setup     files of /workspace before the call: { path: text | { text | b64 | repeat: [s, n] | seq: [line with {}, n] | link | dir } }
//   shell     a script for what `setup` cannot say, run in /workspace after it
//   tool, args        the call; or
//   calls     [[{ name, args }, ...], ...]: several, turn by turn; those of one turn start together
//   then      turns after these, in which /OUTPUT stands for the file where the first call's output is kept
//   reply     how permission questions are answered: "once" (the default), "always", "reject", or [reply, ...] in their order;
//             { reply: "reject", message } gives a reason, { permission: reply, ... } depends on what is asked for
//   abort_after_s     the turn is aborted so long after its tool began
//   look      false: what the call left in /workspace is not compared
//   order     "any": lines of output, and questions, come in an order that OpenCode leaves to chance
//   which     "any": more is found than is shown, and OpenCode leaves to chance what: paths are compared by their number
//   like      another case's id: all that it says, but what this one says otherwise
//   ripgrep   false: the sandbox has none (OpenCode brings its own)
//   kept      "any": OpenCode leaves to chance how much of the end of long output it has kept: here is at least as much
//
// The recorded calls of the C++ tools' own tests are made as well; of those lines, what was answered is not used here.
import { readdirSync, readFileSync } from "node:fs";

/** Random calls: they are made when they are named. */
const RANDOM = new Set(["edit-rand", "write-rand"]);
const RECORDED = new URL("../../tools/data/opencode-cases.jsonl", import.meta.url);
const OWN = new URL("cases/", import.meta.url);
/** What a recorded case needs besides to be played and compared: more fields, or others. */
const changes = JSON.parse(readFileSync(new URL("recorded.json", OWN), "utf8"));

const linesOf = (file) => readFileSync(file, "utf8").split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));

/** Those of one file, else the recorded ones and our own. */
export function loadCases(file) {
  if (file !== undefined) return linesOf(file);
  const own = readdirSync(OWN).filter((name) => name.endsWith(".jsonl")).sort();
  const cases = [...linesOf(RECORDED).map(fromRecord), ...own.flatMap((name) => linesOf(new URL(name, OWN)))];
  const seen = new Set();
  for (const { id } of cases) {
    if (seen.has(id)) throw new Error(`two cases are called ${id}`);
    seen.add(id);
  }
  return cases.map((one) => (one.like ? { ...cases.find(({ id }) => id === one.like), ...one } : one));
}

function fromRecord({ id, tool, setup, args, permission_reply: reply }) {
  return { id, tool, setup, args, ...(reply !== undefined && { reply }), ...changes[id] };
}

export const isRandom = (one) => RANDOM.has(groupOf(one));

export const groupOf = ({ id }) => id.slice(0, id.indexOf("/"));

/** The turns of a case, as the scripted model plays them. */
export const turnsOf = ({ tool, args, calls }) => ending(calls ?? [[{ name: tool, args }]]);

/** Those of `then`, when it is known where output is kept. */
export const laterTurnsOf = ({ then }, output) => ending(JSON.parse(JSON.stringify(then).replaceAll("/OUTPUT", output)));

const ending = (turns) => [...turns.map((tools) => ({ tools })), { text: "done" }];

/** The script that makes a case's files, and its standard input: their contents, one after the other. */
export function setupScript({ setup = {}, shell = "" }) {
  const script = ["set -e", "cd /workspace"];
  const chunks = [];
  for (const [path, given] of Object.entries(setup)) {
    const value = typeof given === "string" ? { text: given } : given;
    const place = quote(path);
    script.push(`mkdir -p -- "$(dirname -- ${place})"`);
    if (value.link !== undefined) script.push(`ln -s -- ${quote(value.link)} ${place}`);
    else if (value.dir !== undefined) script.push(`mkdir -p -- ${place}`);
    else {
      const bytes = contentOf(value);
      // Takes no more than its share of standard input.
      script.push(`head -c ${bytes.length} > ${place}`);
      chunks.push(bytes);
    }
  }
  script.push("[ -e .git ] || git init -q . 2>/dev/null");
  if (shell) script.push(shell);
  return { script: script.join("\n"), input: Buffer.concat(chunks) };
}

function contentOf(value) {
  if (value.text !== undefined) return Buffer.from(value.text);
  if (value.b64 !== undefined) return Buffer.from(value.b64, "base64");
  if (value.repeat) return Buffer.from(value.repeat[0].repeat(value.repeat[1]));
  if (value.seq) return Buffer.from(Array.from({ length: value.seq[1] }, (_, i) => value.seq[0].replaceAll("{}", i + 1)).join(""));
  throw new Error(`not a file: ${JSON.stringify(value)}`);
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
