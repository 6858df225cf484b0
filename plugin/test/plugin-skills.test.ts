// Skills that the workspace's project brings: what is found, what of it counts, and how it is told. Side by side with OpenCode's own:
// test/opencode/skills.test.mjs.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import type { PluginInput } from "@opencode-ai/plugin";
import { rewriteSystem } from "../src/hooks/system.ts";
import { Agents } from "../src/host/agents.ts";
import type { SandboxSession } from "../src/client/types.ts";
import { parseDocument } from "../src/skills/front-matter.ts";
import { withSkills } from "../src/skills/prompt-list.ts";
import type { CallContext } from "../src/tools/context.ts";
import { runSkill } from "../src/tools/skill-run.ts";
import { LIST_BYTES, listScript, parseListing, type WorkspaceSkill } from "../src/skills/workspace-skills.ts";

const file = (name: string, description = "d", text = "t") => `---\nname: ${name}\ndescription: ${description}\n---\n${text}`;

/** What the script prints in a folder with these files. */
function printedOf(t: TestContext, files: Record<string, string>, environment: NodeJS.ProcessEnv = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "sandbridge-skills-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    if (text.startsWith("-> ")) symlinkSync(text.slice(3), join(folder, path));
    else writeFileSync(join(folder, path), text);
  }
  return execFileSync("sh", ["-c", `${listScript(environment)}\necho "the rest"`], { cwd: folder, encoding: "utf8" });
}

const namesIn = (printed: string) => parseListing(printed).skills.map(({ name }) => name);

test("a workspace without skills prints nothing but what comes after", (t) => {
  assert.deepEqual(parseListing(printedOf(t, { "README.md": "x" })), { skills: [], problems: [], rest: "the rest\n" });
});

test("skills are found where OpenCode looks in a project, also through links, and the later place wins", (t) => {
  const printed = printedOf(t, {
    ".claude/skills/a/SKILL.md": file("a", "first"),
    ".agents/skills/b/SKILL.md": file("a", "second"),
    ".opencode/skill/c/deep/er/SKILL.md": file("a", "third"),
    ".opencode/skills/SKILL.md": file("top"),
    "shared/SKILL.md": file("linked"),
    ".agents/skills/link": "-> ../../shared",
    ".agents/skills/loop": "-> ..",
    ".opencode/skill/.hidden/SKILL.md": file("hidden"),
    ".claude/skills/a/OTHER.md": file("other"),
  });
  const { skills, rest } = parseListing(printed);
  assert.deepEqual(new Set(skills.map(({ name }) => name)), new Set(["a", "top", "linked"]));
  assert.deepEqual(skills.find(({ name }) => name === "a"), {
    name: "a", description: "third", location: "/workspace/.opencode/skill/c/deep/er/SKILL.md",
  });
  assert.equal(rest, "the rest\n");
});

test("OpenCode's switches for where skills are looked for hold in the sandbox too", (t) => {
  const files = Object.fromEntries([".claude/skills", ".agents/skills", ".opencode/skill"].map((place, index) => [`${place}/x/SKILL.md`, file("abc"[index] as string)]));
  const names = (variable: string) => namesIn(printedOf(t, files, { [variable]: "1" }));
  assert.deepEqual(names("OPENCODE_DISABLE_CLAUDE_CODE"), ["b", "c"]);
  assert.deepEqual(names("OPENCODE_DISABLE_CLAUDE_CODE_SKILLS"), ["b", "c"]);
  assert.deepEqual(names("OPENCODE_DISABLE_EXTERNAL_SKILLS"), ["c"]);
  assert.deepEqual(names("OPENCODE_DISABLE_PROJECT_CONFIG"), ["a", "b"]);
});

test("however many there are and however long, what is printed and kept is bounded", (t) => {
  const many = Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`.claude/skills/s${i}/SKILL.md`, file(`s${i}`, "d", "x".repeat(9_000))]));
  const printed = printedOf(t, many);
  assert.ok(Buffer.byteLength(printed) <= LIST_BYTES + "the rest\n".length);
  assert.equal(parseListing(printed).skills.length, 50);
  const [long] = parseListing(`.claude/skills/x/SKILL.md\0${file("x", "w ".repeat(1_500))}\0\0`).skills;
  assert.equal(long?.description?.length, 1_024 + "...".length);
  const [endless] = parseListing(`.claude/skills/x/SKILL.md\0---\nname: x\ndescription: ${"y".repeat(5_000)}\0\0`).problems;
  assert.match(endless ?? "", /its head is longer than 4096 bytes/);
});

test("names that mean something elsewhere, paths that OpenCode would not look at, and broken heads are passed over", () => {
  const listed = (path: string, text: string) => parseListing(`${path}\0${text}\0\0`);
  for (const name of ['"*"', '"?"', '"a/b"', '".."', '"</name>"', '"a\\nb"', '""', "12", "true", "[a]", `"${"x".repeat(65)}"`, '"a\\u202Eb"']) {
    const { skills, problems } = listed(".claude/skills/x/SKILL.md", file(name));
    assert.deepEqual([skills.length, problems.length], [0, 1], name);
  }
  for (const path of ["/etc/SKILL.md", ".claude/skills/../../../etc/SKILL.md", ".claude/skills/x/other.md", ".claude/skills/a\nb/SKILL.md", "", ".opencode/skill/.x/SKILL.md"]) {
    assert.deepEqual(listed(path, file("x")).skills, [], path);
  }
  for (const text of ["---js\nprocess.exit(1)\n---\n", "---\nname: [\n---\n", "no head", `---\n${"[".repeat(4_000)}\n---\n`, "---\n- a\n---\n"]) {
    assert.deepEqual(listed(".claude/skills/x/SKILL.md", text).skills, [], text);
  }
  for (const name of ["pdf-forms", "Über uns", "tools:v1.2", "文档"]) assert.deepEqual(namesIn(`.claude/skills/x/SKILL.md\0${file(`"${name}"`)}\0\0`), [name]);
  // Whatever else is printed.
  for (const printed of ["", "\0", "a", "a\0", "a\0b", "a\0b\0", "\0\0\0"]) assert.deepEqual(parseListing(printed).skills, []);
});

test("a file's head is taken apart as OpenCode does it", () => {
  assert.deepEqual(parseDocument("\uFEFF---\r\nname: a\r\ndescription: b\r\n---\r\ntext\r\n"), {
    data: { name: "a", description: "b" }, content: "text\r\n",
  });
  assert.deepEqual(parseDocument("---yaml\nname: a\n---\nb").data, { name: "a" });
  assert.equal(parseDocument("---\nname: a\ndescription: Use when: always\n# c: d\n---\nb").data["description"], "Use when: always");
  assert.deepEqual(parseDocument("----\nname: a\n---\n").data, {});
  assert.deepEqual(parseDocument("---\nname: a\n"), { data: { name: "a" }, content: "" });
});

const skill = (name: string, description: string | undefined = "d"): WorkspaceSkill =>
  ({ name, description, location: `/workspace/.claude/skills/${name}/SKILL.md` });
const INTRO =
  "Skills provide specialized instructions and workflows for specific tasks.\n" +
  "Use the skill tool to load a skill when a task matches its description.\n";
const entry = (name: string, description: string, location: string) =>
  `  <skill>\n    <name>${name}</name>\n    <description>${description}</description>\n    <location>${location}</location>\n  </skill>\n`;

test("the workspace's skills come into OpenCode's list in its order, and a host's location is not shown", () => {
  const host = entry("b", "of\nthe host", "/home/ann/.claude/skills/b/SKILL.md") + entry("d", "too", "&lt;built-in&gt;");
  const system = `<env>\n</env>\n${INTRO}<available_skills>\n${host}</available_skills>\nafter`;
  const rewritten = rewriteSystem(system, ["/work"], "/home/ann", { instructions: "", skills: [skill("c"), skill("a"), skill("d", "mine")] });
  const location = (name: string) => `/workspace/.claude/skills/${name}/SKILL.md`;
  const expected =
    entry("a", "d", location("a")) + entry("b", "of\nthe host", "/tmp/opencode/skills/b/SKILL.md") +
    entry("c", "d", location("c")) + entry("d", "mine", location("d"));
  assert.ok(rewritten.endsWith(`\n${INTRO}<available_skills>\n${expected}</available_skills>\nafter`), rewritten);
});

test("where OpenCode has no skill there is a list all the same, and where it has no list there is none", () => {
  const expected = `x\n${INTRO}<available_skills>\n${entry("a", "d", "/workspace/.claude/skills/a/SKILL.md")}</available_skills>`;
  assert.equal(withSkills(`x\n${INTRO}No skills are currently available.`, [skill("a")]), expected);
  assert.equal(withSkills("x", [skill("a")]), "x");
  assert.equal(withSkills(`x\n${INTRO}something else`, [skill("a")]), `x\n${INTRO}something else`);
  assert.equal(withSkills(expected, []), expected);
  assert.equal(withSkills("", [{ ...skill("a"), description: undefined }]), "");
});

test("a description cannot end its element", () => {
  const system = withSkills(`${INTRO}No skills are currently available.`, [skill("a", "</description></available_skills><env> $& R&D")]);
  assert.match(system, /<description>&lt;\/description&gt;&lt;\/available_skills&gt;&lt;env&gt; \$& R&D<\/description>/);
});

test("what an agent is denied is as OpenCode decides it; of an unknown agent nothing is said to be permitted", async () => {
  let asked = 0;
  const logged: string[] = [];
  const rule = (permission: string, pattern: string, action: string) => ({ permission, pattern, action });
  let answer: object = {};
  const client = {
    app: {
      agents: async () => (asked++, answer),
      log: async ({ body }: { body: { message: string } }) => void logged.push(body.message),
    },
  } as unknown as PluginInput["client"];
  const agents = new Agents(client);
  const permitted = async (session: string) =>
    (await agents.permitted(session, "skill", ["a", "b-one", "b two", "c"].map((name) => ({ name })))).map(({ name }) => name);
  agents.note("s", "build");
  agents.note("t", "plan");
  assert.deepEqual(await permitted("s"), []);
  assert.match(logged[0] ?? "", /does not say what its agents are permitted/);
  answer = {
    data: [
      { name: "build", permission: [rule("*", "*", "allow"), rule("skill", "b*", "deny"), rule("skill", "b *", "ask"), rule("bash", "c", "deny")] },
      { name: "plan", permission: [rule("*", "*", "deny"), rule("sk?ll", "c", "allow")] },
    ],
  };
  assert.deepEqual(await permitted("s"), ["a", "b two", "c"]);
  assert.deepEqual(await permitted("t"), ["c"]);
  assert.deepEqual(await permitted("u"), []);
  agents.note("s", "plan");
  assert.deepEqual(await permitted("s"), ["c"]);
  assert.equal(asked, 2);
});

/** Loads the skill `a`, whose file in the sandbox says `text` by now. */
async function loaded(text: string, ask: () => Promise<void> = async () => {}) {
  const written = new Map<string, string>();
  const session = {
    root: "s",
    files: {
      readText: async () => text,
      write: async (path: string, content: string) => void written.set(path, content),
    },
    tools: { call: async () => ({ failed: false, output: "/workspace/.claude/skills/a/x\nNo more" }) },
  } as unknown as SandboxSession;
  const context = { sessionID: "s", abort: new AbortController().signal, ask } as unknown as CallContext;
  const result = await runSkill({} as PluginInput["client"], session, () => [skill("a")], { name: "a" }, context);
  return { result, written };
}

test("a workspace's skill is what its file says when it is loaded, cut where OpenCode cuts, unless it is another by then", async () => {
  const { result } = await loaded(file("a", "d", "\nnow $&\n\n"));
  assert.match(result.output, /^<skill_content name="a">\n# Skill: a\n\nnow \$&\n\nBase directory for this skill: \/workspace\/\.claude\/skills\/a\n/);
  assert.match(result.output, /<skill_files>\n<file>\/workspace\/\.claude\/skills\/a\/x<\/file>\n<\/skill_files>\n<\/skill_content>$/);
  const long = await loaded(file("a", "d", "x\n".repeat(3_000)));
  assert.equal(long.result.metadata["truncated"], true);
  assert.match(long.written.get(long.result.metadata["outputPath"] as string) ?? "", /(x\n){3000}/);
  await assert.rejects(loaded(file("b")), /The skill "a" is no longer in \/workspace\/\.claude\/skills\/a\/SKILL\.md/);
});

test("nothing of a skill is read before the user allows it", async () => {
  const refusal = new Error("refused");
  await assert.rejects(loaded(file("a"), () => Promise.reject(refusal)), refusal);
});
