// The plugin's hooks, each by itself. What OpenCode makes of them is in test/opencode.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Config } from "@opencode-ai/plugin";
import type { ConnectionState } from "../src/client/types.ts";
import { findUnknown } from "../src/hooks/audit.ts";
import { configHook, openPermissions, sandboxShell } from "../src/hooks/config.ts";
import { withoutHostInstructions } from "../src/hooks/instructions.ts";
import { rewriteSystem } from "../src/hooks/system.ts";
import { type Toast, Toaster, watchConnection } from "../src/hooks/toasts.ts";
import { toolBeforeHook } from "../src/hooks/tool-before.ts";
import { refuseEverything } from "../src/host/refuse.ts";
import { readOptions } from "../src/host/options.ts";
import { RecentMap } from "../src/host/recent-map.ts";
import { definitionsFor } from "../src/tools/definitions.ts";

const CLOSED = { "*": "deny", "-": "allow" };
const KEPT = "/tmp/.sandbridge/output/*";
const options = readOptions(undefined);

test("the closed block is taken out, which leaves the matter to OpenCode's defaults", () => {
  assert.deepEqual(openPermissions({ bash: CLOSED, read: CLOSED }, {}), {});
  assert.deepEqual(openPermissions({ "*": CLOSED }, {}), {});
});

test("a closed block that says ask for \"-\" becomes ask", () => {
  assert.deepEqual(openPermissions({ bash: { "*": "deny", "-": "ask" } }, {}), { bash: { "*": "ask" } });
});

test("rules before the closed block, which have no effect while it is there, are the user's own", () => {
  const bash = { "git *": "allow", "rm *": "deny", "*": "deny", "-": "ask" };
  assert.deepEqual(Object.entries(openPermissions({ bash }, {})["bash"] as object), [
    ["*", "ask"],
    ["git *", "allow"],
    ["rm *", "deny"],
  ]);
  const edit = { "*.md": "ask", ...CLOSED };
  assert.deepEqual(openPermissions({ edit }, {}), { edit: { "*.md": "ask" } });
});

test("the user's own rules from the options take the place of the closed block", () => {
  const bash = { "*": "ask", "git *": "allow" };
  assert.deepEqual(openPermissions({ "*": CLOSED, read: CLOSED }, { bash }), { bash });
  // Later rules win: what stood first stays first.
  assert.deepEqual(Object.keys(openPermissions({ bash: CLOSED, edit: "ask" }, { bash })), ["bash", "edit"]);
});

test("rules that are not the closed block stay, and so do those of tools that are not ours", () => {
  const given = {
    bash: { "*": "deny", "ls *": "allow", "-": "allow" },
    glob: { "-": "allow", "x *": "deny" },
    edit: "deny",
    read: { "-": "allow", "*": "deny" },
    webfetch: CLOSED,
  };
  assert.deepEqual(openPermissions(given, {}), given);
  assert.deepEqual(openPermissions("ask", {}), { "*": "ask" });
  assert.deepEqual(openPermissions(undefined, {}), {});
});

test("the config hook opens agents' rules too, and hides the tools that show the host", async () => {
  const config = { permission: { "*": CLOSED }, agent: { build: { permission: { bash: CLOSED, edit: "ask" } } } };
  await configHook(options)(config as unknown as Config);
  assert.deepEqual(config, {
    permission: { lsp: "deny", list: "deny", multiedit: "deny", external_directory: { [KEPT]: "allow" } },
    agent: { build: { permission: { edit: "ask" } } },
    shell: sandboxShell(),
    snapshot: false,
    lsp: false,
    formatter: false,
  });
  assert.match(sandboxShell(), /\/bin\/sandbridge-shell$/);
});

test("the user's word on language servers is kept, also by a second copy of the plugin; OpenCode starts none", async () => {
  for (const [lsp, wanted] of [[undefined, true], [true, true], [{ clangd: { disabled: true } }, true], [false, false]]) {
    const config = { permission: {}, ...(lsp !== undefined && { lsp }) };
    for (let copy = 0; copy < 2; copy++) {
      const told: boolean[] = [];
      await configHook(options, ({ lspWanted }) => told.push(lspWanted))(config as unknown as Config);
      assert.deepEqual(told, [wanted]);
      assert.equal(config.lsp, false);
    }
  }
});

test("kept output is read without a question, unless the user's rules say otherwise", async () => {
  const opened = async (permission: unknown) => {
    const config = { permission };
    await configHook(options)(config as unknown as Config);
    const { lsp: _lsp, list: _list, multiedit: _multiedit, ...rules } = config.permission as Record<string, unknown>;
    return Object.entries(rules);
  };
  assert.deepEqual(await opened("ask"), [["*", "ask"], ["external_directory", { [KEPT]: "allow" }]]);
  assert.deepEqual(await opened({ external_directory: "ask" }), [["external_directory", { "*": "ask", [KEPT]: "allow" }]]);
  const home = { "*": "ask", "/home/*": "allow" };
  assert.deepEqual(await opened({ external_directory: home }), [["external_directory", { ...home, [KEPT]: "allow" }]]);
  for (const rules of [
    { "*": "deny" },
    { external_directory: "deny" },
    { external_directory: { "*": "deny", "/home/*": "allow" } },
    { external_directory: { [KEPT]: "ask" } },
    { external_directory: "allow", "*": "ask" },
  ]) {
    assert.deepEqual(await opened(rules), Object.entries(rules));
  }
});

const before = (tool: string, args: object, given = options) =>
  toolBeforeHook(given)({ tool, sessionID: "s", callID: "c" }, { args });

test("known tools run, any other is refused by name unless the options allow it", async () => {
  for (const tool of ["bash", "read", "apply_patch", "task", "todowrite", "webfetch", "question", "skill"]) await before(tool, {});
  for (const tool of ["lsp", "list", "multiedit", "server_tool", "", "Bash"]) {
    await assert.rejects(before(tool, {}), /is closed: it would act outside of this session's sandbox/);
  }
  const given = readOptions({ allowTools: ["server_*", "exact"] });
  await before("server_tool", {}, given);
  await before("exact", {}, given);
  await assert.rejects(before("exactly", {}, given), /"exactly" is closed/);
});

test("a tool that OpenCode 1.18.33 lacks is one of ours if the options say so, else hidden and refused with the option's name", async () => {
  const permissionsOf = async (given: typeof options) => {
    const config = { permission: {} as Record<string, unknown> };
    await configHook(given)(config as unknown as Config);
    return [config.permission["list"], config.permission["multiedit"]];
  };
  const namesOf = (given: typeof options) => definitionsFor(given).map(({ id }) => id).filter((id) => /^(list|multiedit)$/.test(id));
  const added = readOptions({ addTools: ["multiedit", "multiedit"] });
  assert.deepEqual(namesOf(options), []);
  assert.deepEqual(namesOf(added), ["multiedit"]);
  assert.deepEqual(await permissionsOf(options), ["deny", "deny"]);
  assert.deepEqual(await permissionsOf(added), ["deny", undefined]);
  for (const tool of ["list", "multiedit"]) {
    await assert.rejects(before(tool, {}), /\(The user can have one that acts inside with "addTools" in the options of opencode-sandbridge\.\)$/);
  }
  await before("multiedit", {}, added);
  await assert.rejects(before("list", {}, added), /"list" is closed: .* Use bash, .*, multiedit instead, .* with "addTools"/);
  // The user may also say that OpenCode's own shall run.
  const open = readOptions({ allowTools: ["list"] });
  await before("list", {}, open);
  assert.deepEqual(await permissionsOf(open), [undefined, "deny"]);
  assert.throws(() => readOptions({ addTools: ["bash"] }), { message: 'option "addTools" must be a list of these: list, multiedit' });
  assert.throws(() => readOptions({ addTools: "list" }), /must be a list of these/);
});

test("a sub-agent's prompt mentions files in a form that OpenCode does not read from the host", async () => {
  const args = { prompt: "see @/etc/passwd, @~/.ssh/id_rsa and @a.ts; mail me@example.org" };
  await before("task", args);
  assert.equal(args.prompt, "see `@/etc/passwd`, `@~/.ssh/id_rsa` and `@a.ts;` mail me@example.org");
  // OpenCode's own pattern finds nothing any more.
  assert.equal(/(?<![\w`])@(\.?[^\s`,.]*(?:\.[^\s`,.]+)*)/g.test(args.prompt), false);
});

test("the model reads of the workspace where OpenCode names the host's directories", () => {
  const system = [
    "Be brief.",
    "<env>",
    "  Working directory: /people/ann/code/app",
    "  Workspace root folder: /people/ann/code",
    "  Is directory a git repo: yes",
    "  Platform: darwin",
    "</env>",
    "Instructions from: /people/AGENTS.md",
    "HOST RULES above the project",
    "Instructions from: /people/ann/code/app/AGENTS.md",
    "HOST RULES",
    "",
    "More of them.",
    "Instructions from: /people/ann/.config/opencode/AGENTS.md",
    "Rules for every project",
    "Instructions from: /people/ann/code/app/named-in-the-configuration.md",
    "Named",
    "  <skill>",
    "    <name>tabs</name>",
    "    <description>Tabs</description>",
    "    <location>/people/ann/.claude/skills/tabs/SKILL.md</location>",
    "  </skill>",
    "Not the same: /people/ann/code/app-two /people/annabel",
  ].join("\n");
  const own = "Instructions from: /workspace/AGENTS.md\nThe sandbox's rules\n";
  const additions = { instructions: own, skills: [] };
  const rewritten = rewriteSystem(system, ["/people/ann/code/app", "/people/ann/code"], "/people/ann", additions);
  assert.match(rewritten, /Working directory: \/workspace\n {2}Workspace root folder: \/workspace\n {2}Platform: linux\n<\/env>\n/);
  assert.match(rewritten, /\nInstructions from: \/workspace\/AGENTS.md\nThe sandbox's rules\n\nInstructions from: AGENTS.md \(the user's own, which is not in the sandbox\)\nRules for/);
  assert.match(rewritten, /\nInstructions from: named-in-the-configuration.md \(the user's own, [^)]*\)\nNamed\n/);
  assert.doesNotMatch(rewritten, /HOST RULES|More of them/);
  assert.match(rewritten, /<location>\/tmp\/opencode\/skills\/tabs\/SKILL.md<\/location>/);
  assert.match(rewritten, /Not the same: \/workspace\/app-two \/people\/annabel/);
  assert.match(rewritten, /act in a Linux sandbox that belongs to this session/);
});

test("a host's instruction file goes whole, also when its text looks like other sections", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "sandbridge-instructions-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "AGENTS.md");
  const text = "HOST\n\nInstructions from: /elsewhere/x.md\nHOST\nSkills provide specialized instructions HOST\n";
  writeFileSync(path, text);
  const system = `<env>\n</env>\nInstructions from: ${path}\n${text}\nSkills provide specialized instructions and workflows`;
  const rewritten = withoutHostInstructions(system, [directory]);
  assert.equal(rewritten, "<env>\n</env>\nSkills provide specialized instructions and workflows");
  assert.equal(withoutHostInstructions(`a\nInstructions from: ${path}\n${text}`, [directory]), "a\n");
});

test("a prompt without an environment block, as for titles, is only cleaned", () => {
  assert.equal(rewriteSystem("Make a title for /tmp/x/y", ["/tmp/x"], "/root"), "Make a title for /workspace/y");
});

test("where webfetch and websearch run in the sandbox the model is told so", () => {
  const told = /webfetch and websearch, where you have them, work from this sandbox too/;
  assert.match(rewriteSystem("<env>\n</env>", [], "/root", undefined, "sandbox"), told);
  assert.doesNotMatch(rewriteSystem("<env>\n</env>", [], "/root", undefined, "host"), told);
  assert.doesNotMatch(rewriteSystem("a title", [], "/root", undefined, "sandbox"), told);
});

test("a map of the recent keeps what was set last", () => {
  const map = new RecentMap<string, number>(2).set("a", 1).set("b", 2).set("a", 3).set("c", 4);
  assert.deepEqual([...map], [["a", 3], ["c", 4]]);
});

test("options that do not exist or have the wrong type are named", () => {
  assert.throws(() => readOptions({ ulr: "x" }), /there is no option "ulr"/);
  assert.throws(() => readOptions({ url: 5 }), /option "url" must be a string/);
  assert.throws(() => readOptions({ diagnostics: "off" }), /option "diagnostics" must be true or false/);
  assert.equal(readOptions({ diagnostics: false }).diagnostics, false);
  assert.throws(() => readOptions({ allowTools: "x" }), /option "allowTools" must be a list/);
  assert.throws(() => readOptions({ web: "bridge" }), /option "web" must be "host" or "sandbox"/);
  assert.throws(() => readOptions({ permission: [] }), /option "permission" must be an object/);
});

test("a plugin that could not start takes all names and refuses everything", async () => {
  const hooks = refuseEverything("no reason", ["/h"]);
  assert.deepEqual(Object.keys(hooks.tool ?? {}).sort(), ["apply_patch", "bash", "edit", "glob", "grep", "preview_url", "process", "read", "write"]);
  const bash = hooks.tool?.["bash"];
  await assert.rejects(async () => bash?.execute({}, {} as never), /could not start.*no reason/);
  await assert.rejects(async () => hooks["tool.execute.before"]?.({ tool: "x", sessionID: "", callID: "" }, { args: {} }));
  await assert.rejects(async () => hooks["shell.env"]?.({ cwd: "/" }, { env: {} }));
  const config = { permission: { bash: CLOSED } };
  await hooks.config?.(config as unknown as Config);
  assert.deepEqual(config.permission, { bash: CLOSED });
});

const toast = (title: string): Toast => ({ title, message: "", variant: "info" });

/** The plugin's own timers do not keep a process alive: this does, until the promise settles. */
async function awake<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1_000);
  return await promise.finally(() => clearInterval(timer));
}

/** Waits for what happens after the timers that are due. */
const settled = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("toasts come one after the other, and the same one not twice in a row", async () => {
  const shown: string[] = [];
  const all = new Promise<void>((resolve) => {
    const toaster = new Toaster(async ({ title }) => {
      shown.push(title);
      if (title === "c") resolve();
    }, 1);
    for (const title of ["a", "a", "b", "b", "a", "c"]) toaster.add(toast(title));
    assert.deepEqual(shown, ["a"], "the second waits for the first to be read");
  });
  await awake(all);
  assert.deepEqual(shown, ["a", "b", "a", "c"]);
});

test("of too many toasts the oldest are dropped, and a user interface that is not there is no error", async () => {
  const shown: string[] = [];
  const all = new Promise<void>((resolve) => {
    const toaster = new Toaster(async ({ title }) => {
      shown.push(title);
      if (title === "99") resolve();
      throw new Error("nobody looks");
    }, 0);
    for (let index = 0; index < 100; index++) toaster.add(toast(String(index)));
  });
  await awake(all);
  assert.equal(shown.length, 9);
});

test("only an absence that lasts is told, and then the return", async () => {
  const shown: string[] = [];
  let state: ConnectionState = { status: "connected", again: false };
  let listener: (state: ConnectionState) => void = () => {};
  const connection = {
    get state() {
      return state;
    },
    onState(given: typeof listener) {
      listener = given;
      return () => {};
    },
  };
  const set = (next: ConnectionState): void => {
    state = next;
    listener(next);
  };
  const stop = watchConnection(connection, { add: ({ title }) => void shown.push(title) }, 5);
  set({ status: "disconnected", reason: "for a moment" });
  set({ status: "connected", again: true });
  await settled(20);
  assert.deepEqual(shown, []);
  set({ status: "disconnected", reason: "for long" });
  await settled(20);
  assert.deepEqual(shown, ["Bridge not reachable"]);
  set({ status: "connected", again: true });
  assert.deepEqual(shown, ["Bridge not reachable", "Bridge reconnected"]);
  stop();
});

test("the audit finds tools and MCP servers that nobody has looked at, unless the options name them", () => {
  const ids = ["bash", "bash", "read", "skill", "invalid", "plan_exit", "stranger", "friend", "stranger"];
  const mcp = { files: { type: "local" }, "my.db": { type: "remote" }, off: { enabled: false } };
  assert.deepEqual(findUnknown(ids, mcp, options), {
    tools: ["friend", "plan_exit", "stranger"],
    addable: [],
    servers: ["files", "my.db"],
  });
  const given = readOptions({ allowTools: ["fri*", "my_db_query", "plan_exit"] });
  assert.deepEqual(findUnknown(ids, mcp, given), { tools: ["stranger"], addable: [], servers: ["files"] });
  assert.deepEqual(findUnknown(["bash", "lsp"], undefined, options), { tools: [], addable: [], servers: [] });
  assert.deepEqual(findUnknown(["x", "list"], mcp, readOptions({ allowTools: ["*"] })), { tools: [], addable: [], servers: [] });
  assert.deepEqual(findUnknown(["multiedit", "list"], undefined, options), { tools: [], addable: ["list", "multiedit"], servers: [] });
  const added = readOptions({ addTools: ["list"] });
  assert.deepEqual(findUnknown(["multiedit", "list"], undefined, added), { tools: [], addable: ["multiedit"], servers: [] });
});
