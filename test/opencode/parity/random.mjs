// Random calls, for differences that nobody thought of: cases as cases.mjs has them, a line of JSON each, on standard output.
//
//   node random.mjs SEED > FILE; node run.mjs --cases FILE
//
// The same seed gives the same calls, some 400 cases of one to twelve. What is known to differ (exceptions.mjs), and what OpenCode
// leaves to chance, is not made. Still to chance are: the order of suggestions for a missing file, and files that only one
// machine has.
import { parseArgs } from "node:util";

const { positionals: [given] } = parseArgs({ allowPositionals: true });
if (!/^\d+$/.test(given ?? "")) {
  console.error("usage: node random.mjs SEED, a whole number");
  process.exit(2);
}

let state = Number(given) >>> 0;
const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
const upTo = (n) => Math.floor(random() * n);
const pick = (from) => from[upTo(from.length)];
const chance = (of) => random() < of;
const times = (n, make) => Array.from({ length: n }, (_, i) => make(i));
const maybe = (of, name, from) => (chance(of) ? { [name]: pick(from) } : {});

const numbers = new Map();
function add(group, one) {
  const number = (numbers.get(group) ?? 0) + 1;
  numbers.set(group, number);
  console.log(JSON.stringify({ id: `random-${group}/${number}`, tool: group, ...one }));
}
/** One call a turn, each by what `make` says. */
const inTurn = (n, name, make) => times(n, () => [{ name, args: make() }]);

// Texts.

const WORDS = [
  "foo", "bar", "baz", "x", "y", "if (a) {", "}", "return 1;", "function f() {", "", "// c", "é", "日本", "\u00a0", "“q”", "—", "…",
  "tab\there", "  indented", "\\n", "a\\b", "'", '"', "`", "&amp;", "-x", "++", "--- a", "@@", "*** x",
];
const INDENTS = ["", "  ", "    ", "\t", " \t", "      "];
const line = () => pick(INDENTS) + times(1 + upTo(3), () => pick(WORDS)).join(chance(0.5) ? " " : "") + pick(["", "", "", " ", "\t"]);

function text(lines) {
  const end = pick(["\n", "\n", "\n", "\r\n", "\r"]);
  return (chance(0.05) ? "\ufeff" : "") + times(lines, line).join(end) + pick([end, end, "", end + end]);
}

/** As a model writes it down that has not looked closely. */
const misremembered = (exact) =>
  pick([
    () => exact.split("\n").map((one) => one.trim()).join("\n"),
    () => exact.split("\n").map((one) => `  ${one}`).join("\n"),
    () => exact.replace(/[ \t]+/g, " "),
    () => exact.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\t", "\\t"),
    () => `${exact}\n`,
    () => exact.trim(),
    () => exact.replaceAll("\r\n", "\n"),
    () => exact.split("\n").map((one, i, all) => (i === all.length >> 1 && all.length > 2 ? line() : one)).join("\n"),
    () => exact.replace(/[“”]/g, '"').replaceAll("\u00a0", " ").replaceAll("—", "-").replaceAll("…", "..."),
  ])();

// Changes of files.

function someEdits() {
  const f = text(2 + upTo(14));
  const lines = f.split("\n");
  return {
    setup: { f },
    calls: inTurn(6, "edit", () => {
      const first = upTo(lines.length);
      let oldString = lines.slice(first, first + 1 + upTo(5)).join("\n");
      if (chance(0.3)) oldString = oldString.slice(upTo(oldString.length), oldString.length - upTo(3));
      if (chance(0.6)) oldString = misremembered(oldString);
      const newString = chance(0.2) ? misremembered(oldString) : chance(0.2) ? "" : text(upTo(4)).replace("\ufeff", "");
      const all = oldString.trim() === "" ? {} : maybe(0.3, "replaceAll", [true, true, false]);
      return { filePath: pick(["f", "/workspace/f", "./f"]), oldString, newString, ...all };
    }),
  };
}

/** A chunk of a patch that changes something in `lines`, more or less as they are. */
function chunk(lines) {
  const first = upTo(lines.length);
  const head = chance(0.7) ? [chance(0.3) ? `@@ ${chance(0.7) ? pick(lines) : line()}` : "@@"] : [];
  const body = lines.slice(first, first + 1 + upTo(6)).flatMap((exact) => {
    const one = chance(0.15) ? misremembered(exact).split("\n")[0] : exact;
    return pick([[`-${one}`], [`-${one}`, `+${line()}`], [` ${one}`, `+${line()}`], [` ${one}`], [chance(0.1) ? one : ` ${one}`]]);
  });
  return [...head, ...body, ...(chance(0.1) ? ["*** End of File"] : [])];
}

function somePatches() {
  const setup = { f: text(2 + upTo(12)), "g/h": text(1 + upTo(6)), "k e": text(upTo(4)) };
  const section = (path) => {
    const kind = upTo(6);
    if (kind === 0) return [`*** Add File: ${path}`, ...times(upTo(4), () => (chance(0.9) ? "+" : "") + line())];
    if (kind === 1) return [`*** Delete File: ${path}`];
    const lines = (setup[path.replace("/workspace/", "")] ?? "a\nb\n").split("\n");
    return [
      `*** Update File: ${path}`,
      ...(chance(0.2) ? [`*** Move to: ${pick(["moved", "z/z/z", `${path}2`])}`] : []),
      ...times(1 + upTo(2), () => chunk(lines)).flat(),
    ];
  };
  const patchText = () => {
    const order = ["f", "g/h", "new", pick(["k e", "/workspace/k e"]), "none"].sort(() => random() - 0.5);
    return [
      pick(["*** Begin Patch", "*** Begin Patch", "*** Begin Patch", "  *** Begin Patch ", "<<EOF\n*** Begin Patch", "*** begin patch"]),
      ...order.slice(0, 1 + upTo(3)).flatMap(section),
      ...(chance(0.95) ? [pick(["*** End Patch", "*** End Patch", "*** End Patch\n", "*** End Patch \nEOF"])] : []),
    ].join(pick(["\n", "\n", "\n", "\r\n"]));
  };
  return { setup, calls: inTurn(3, "apply_patch", () => ({ patchText: patchText() })) };
}

// Trees, and looking for something in them.

const FOLDERS = ["", "src/", "src/deep/", ".hidden/", "node_modules/m/", "build/", "a b/", "[b]/", "é/", "sub/", "sub/out/"];
const NAMES = [
  "a.ts", "A.TS", "b.js", "c d.txt", ".hid", "é.md", "-dash", "[x].ts", "{y}.js", "z.log", "x", "q?.txt", "star*.c", "new.tsx", "!bang",
];
const IGNORED = [
  "*.log", "build", "/build", "build/", "!keep.log", "**/deep", "src/*.ts", "*.ts", "!a.ts", "[x].ts", "\\[x\\].ts", "# c", "", "a b",
  "x ", "sub/**", "!sub/out/", "?.ts", "*", "!*/", "!*.ts", "\\!bang", "é", "{a,b}.ts", "node_modules",
];
const GLOBS = [
  "*", "**", "**/*", "*.ts", "**/*.ts", "src/**", "src/*", "{a,b}*", "*.{ts,js}", "[ab]*", "[!a]*", "[^x]*", "?.ts", "**/deep/**", ".*",
  "**/.*", "a b/*", "\\[x\\].ts", "[x].ts", "!*.ts", "-*", "/workspace/**/*.ts", "./*.ts", "../**", "**/{src,sub}/**/*.*", "*.TS", "src",
  "src/", "", " ", "**/", "{", "[", "a{b", "{a", "\\", "*\\", "é*", "**/a.ts", "***", "**.ts", "a**", "{,x}*.ts", "{{a,b},c}*", "[]a]*",
  "[a-", "*/", "//", "a.ts,b.js", "*.ts *.js",
];
const PATTERNS = [
  "foo", "bar|baz", "^\\s*foo", "foo$", "\\bfoo\\b", "(?i)FOO", "f.o", "[", "(", "a{", "x{2}", "\\", "\\n", "foo\\nbar", "é", "日",
  "\\p{L}+", "\\pL", "\\w+", "^$", "", " ", ".", ".*", "-x", "--", "\\d+", "(?s)foo.bar", "(?P<n>foo)", "foo(?=bar)", "\\1", "[[:alpha:]]+",
  "\\x66oo", "\\u{66}oo", "(?m)^x", "\\R", "\\h", "a*?", "foo++", "'", '"', "$(id)", "`id`", "}", "{", "a{1,2}", "\\A", "\\z", "\\Z", "\\r",
  "\\<foo\\>", "(?x) f o o", "[^\\n]", "\\C", "[a&&b]", "\\K",
];
const PLACES = ["src", "/workspace", "sub", "a.ts", "none", ".", "a b", "src/deep", "node_modules", ".hidden", "build", "[b]", "src/"];

function tree() {
  const setup = Object.fromEntries(times(4 + upTo(14), () => [pick(FOLDERS) + pick(NAMES), text(1 + upTo(6))]));
  for (const folder of ["", "src/", "sub/"]) {
    if (!chance(0.4)) continue;
    setup[folder + pick([".gitignore", ".gitignore", ".ignore", ".rgignore"])] = `${times(1 + upTo(4), () => pick(IGNORED)).join("\n")}\n`;
  }
  if (chance(0.3)) setup["link"] = { link: pick(["src", "nowhere", "."]) };
  if (chance(0.2)) setup["binary"] = { b64: Buffer.from("foo\0\u0001\u0002\nfoo\n").toString("base64") };
  if (chance(0.2)) setup["latin"] = { b64: Buffer.from("foo\u00e9\n\u00ffbar\n", "latin1").toString("base64") };
  if (chance(0.1)) setup["utf16"] = { b64: Buffer.from("\ufefffoo\nbar\n", "utf16le").toString("base64") };
  return setup;
}

const someGlobs = () => ({
  look: false,
  setup: tree(),
  calls: inTurn(12, "glob", () => ({ pattern: pick(GLOBS), ...maybe(0.8, "path", PLACES) })),
});

const someGreps = () => ({
  look: false,
  setup: tree(),
  calls: inTurn(12, "grep", () => ({ pattern: pick(PATTERNS), ...maybe(0.8, "path", PLACES), ...maybe(0.3, "include", GLOBS) })),
});

function someReads() {
  const setup = { ...tree(), f: text(upTo(30)) };
  const paths = ["f", "f", "f", "/workspace/f", "src", ".", "link", "binary", "latin", "utf16", "none/x", "a b", ...Object.keys(setup)];
  return {
    look: false,
    setup,
    calls: inTurn(10, "read", () => ({
      filePath: pick(paths),
      ...maybe(0.5, "offset", [0, 1, 2, 3, 5, 10, 29, 30, 31, 100, -1, 1.5]),
      ...maybe(0.5, "limit", [0, 1, 2, 5, 100, -1, 1e9, 2.5]),
    })),
  };
}

const someWrites = () => ({
  setup: tree(),
  calls: inTurn(6, "write", () => ({
    filePath: pick(["f", "n/e/w", "a.ts", "src", "link", "/workspace/y", "é/é", "a b/c d", "-dash", "src/a.ts/x"]),
    content: text(upTo(8)),
  })),
});

// Commands: run, or only asked about.

const RUN = [
  "echo hi", "printf 'a\\nb'", "echo err >&2", "true", "false", "cat f", "ls", "wc -l < f", "cd src && pwd", "exit 3", "(exit 4)",
  "for i in 1 2 3; do echo $i; done", "printf '\\033[31mred\\033[0m\\n'", "printf 'a\\rb\\n'", "cat <<X\n$((1+2)) 'q' \"d\"\nX\n",
  "echo \"a b\" 'c $x' \\$y", "head -c 10 /dev/zero", "printf '\\xff\\xfe\\n'", "read x; echo got:$x", "echo é日😀", "seq 1 3000",
  "seq 1 2500 | sed 's/$/ long long long long line/'", "head -c 60000 /dev/zero | tr '\\0' x", 'echo "$(echo nested; echo two)"',
  "test -f f && echo yes || echo no", "set -e; false; echo never", "f() { echo fn \"$@\"; }; f 1 '2 3'", "[[ x == x ]] && echo bash",
  "echo {1..3}", "type -t cd", "nonesuch", "./f", "umask", "echo $-", "trap 'echo bye' EXIT", "echo one | tee -a log | cat", "! true",
  "echo $(( 2**10 ))", "mkdir -p n && cd n && touch t && ls", "echo 'unterminated", "if true; then", "stty size", "jobs",
  "sleep 0.01 & wait; echo waited", "let 1/0", 'unset x; echo "${x?missing}"',
];

const someCommands = () => ({
  setup: { f: text(4), "src/x": "" },
  kept: "any",
  calls: inTurn(4, "bash", () => ({
    // In OpenCode it is chance what comes first of the two outputs.
    command: `exec 2>&1\n${times(1 + upTo(3), () => pick(RUN)).join(pick(["; ", "\n", " && ", " || "]))}`,
    ...maybe(0.2, "workdir", ["src", ".", "/workspace/src", "none"]),
    ...maybe(0.2, "description", ["", "does", "é"]),
    ...maybe(0.1, "timeout", [0, -1, 5000, 1e9, 1.5]),
  })),
});

const ASKED = [
  "cat", "rm", "rm -rf", "cp", "mv", "mkdir -p", "touch", "chmod 755", "cd", "ls", "ln -s", "git", "git commit -m 'a b'", "npm run",
  "docker compose", "sudo rm", "A=1 B=2 cat", "time cat", "command cat", "exec cat", "xargs rm", "find . -exec rm {}",
  "bash -c 'cat /outside/y'", "./run.sh", "/usr/bin/cat", "\\cat", "'cat'", 'c"a"t', "$CMD", "eval cat", "source", ".", "pushd", "[ -f",
  "printf '%s'", "rmdir", "tee", "tar xf", "sed -i s/a/b/",
];
const WHAT = [
  "f", "../x", "/outside/y", "/tmp/q", "~/z", "$HOME/z", '"$HOME/z"', "'/outside/a b'", "/workspace/f", "./sub/../f", "sub", "/etc/hosts",
  "$(pwd)/f", "`pwd`/f", "${X}/f", "/outside/*", "*.ts", "{a,/outside/b}", "-", "--", "-rf", '"a b"', "a\\ b", ".", "..", "~", "~root/x",
  "$'x'", "C:\\x", "file:///outside/x", "é", '""', "/workspace/../outside/k", "//outside//x", "link/f",
];
const command = () => [pick(ASKED), ...times(upTo(4), () => pick(WHAT))].join(" ");
const within = (one) =>
  pick([
    one, one, one, `(${one})`, `{ ${one}; }`, `if ${one}; then ${command()}; fi`, `for i in 1 2; do ${one}; done`, `echo "$(${one})"`,
    `${one} > ${pick(WHAT)}`, `${one} 2>&1`, `${one} < ${pick(WHAT)}`, `${one} <<X\n${command()}\nX`, `${one} &`, `! ${one}`,
    `f() { ${one}; }; f`, `case x in x) ${one};; esac`, `cat <(${one})`, `# ${one}`, `x=$(${one})`, `${one} \\\n ${pick(WHAT)}`,
  ]);

const someQuestions = () => ({
  tool: "bash",
  look: false,
  reply: { external_directory: "once", bash: "reject" },
  setup: { f: "x\n", "sub/x": "", "/outside/y": "x\n", link: { link: "/outside" } },
  args: {
    command: times(1 + upTo(3), () => within(command())).join(pick(["; ", " && ", " || ", " | ", "\n", " & "])),
    ...maybe(0.15, "workdir", ["sub", "/outside", "..", "none"]),
  },
});

const KINDS = [
  ["edit", 60, someEdits], ["apply_patch", 60, somePatches], ["glob", 30, someGlobs], ["grep", 30, someGreps], ["read", 30, someReads],
  ["write", 15, someWrites], ["bash", 40, someCommands], ["bash-questions", 120, someQuestions],
];
for (const [group, count, make] of KINDS) times(count, () => add(group, make()));
