// The ways from OpenCode to its own machine, apart from the tools: none brings the model anything of the host, and nothing runs
// there. Elsewhere: tools (tools.test.mjs), a plugin or a bridge that is not there, unknown tools and MCP servers (closed.test.mjs),
// attached files (attachments.test.mjs), skills that the model loads (context.test.mjs), the web (web.test.mjs), and what only a
// front can close, such as file search (attach.test.mjs and test/front/).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, afterEach, before, describe, test } from "node:test";
import { World, eventually } from "./world.mjs";

/** Stands in everything of the host that the model must not see. */
const CANARY = "CANARY";

describe("what a real OpenCode brings of its own machine", () => {
  let world, opencode, session, top, untouched;
  let seen = 0;
  let withoutPlugin = false;

  before(async () => {
    world = await World.start({ serve: false });
    top = world.host;
    const repository = join(top, "repository");
    put(top, "AGENTS.md", `${CANARY} above the repository\n`);
    put(top, "plain/folder/secret.txt", `${CANARY} in a folder\n`);
    put(repository, "AGENTS.md", `${CANARY} of the repository\n`);
    put(repository, "root.txt", `${CANARY} in the repository\n`);
    put(repository, "work/CLAUDE.md", `${CANARY} of Claude\n`);
    put(repository, "work/CONTEXT.md", `${CANARY} of the context\n`);
    put(repository, "work/.env", `KEY=${CANARY}\n`);
    put(repository, "work/secret.txt", `${CANARY} in the folder\n`);
    put(world.env.HOME, "AGENTS.md", `${CANARY} at home\n`);
    put(world.env.HOME, ".env", `KEY=${CANARY}\n`);
    put(world.env.HOME, "rules.md", "RULES-OF-THE-USER\n");
    put(world.env.HOME, ".claude/skills/tabs/SKILL.md", "---\nname: tabs\ndescription: Tabs\n---\nIt says !`pwd`.\n");
    put(world.env.HOME, ".claude/skills/tabs/tab.sh", "echo tabbed\n");
    const git = (...args) =>
      execFileSync("git", ["-C", repository, "-c", "user.name=x", "-c", "user.email=x", ...args], { env: world.env });
    git("init", "--quiet", `--initial-branch=${CANARY}-branch`);
    git("add", ".");
    git("commit", "--quiet", "--message", CANARY);
    world.host = join(repository, "work");
    world.env.SECRET = CANARY;
    // OpenCode's other core reads no other file.
    symlinkSync(world.env.OPENCODE_CONFIG, join(world.env.XDG_CONFIG_HOME, "opencode/opencode.json"));
    const leave = (name) => ({ command: ["touch", join(top, name)], extensions: [".txt"] });
    const look = "!`pwd; cat .env ../.env ~/.env; env | grep SECRET; echo $1; echo ran >> commands`";
    await world.useOpenCode({
      config: {
        instructions: ["~/rules.md"],
        // The user's configuration says the opposite of what is safe.
        ...{ snapshot: true, lsp: { spy: leave("lsp-ran") }, formatter: { spy: leave("formatter-ran") } },
        command: {
          look: { template: `Look: ${look} and !\`echo two; exit 3\` @here.txt @secret.txt\nSCRIPT:[{"text":"seen"}]` },
          delegate: { template: `Look: ${look} @here.txt @secret.txt\nSCRIPT:[{"text":"seen"}]`, agent: "general", subtask: true },
        },
      },
    });
    opencode = world.opencode;
    session = await opencode.newSession();
    untouched = tree();
  });
  after(() => world?.stop());

  afterEach(async () => {
    assert.deepEqual(tree(), untouched, "something changed on the host");
    const requests = news();
    if (withoutPlugin) return;
    assertClean(requests, "the model was told");
    for (const { id } of await opencode.request("GET", "/session")) {
      assertClean((await opencode.messages(id)).map(({ parts }) => parts), "a session holds");
    }
  });

  function put(folder, path, text) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }

  /** Every file of the host's folder with its last change, but for git's own. */
  function tree() {
    return readdirSync(top, { recursive: true })
      .filter((path) => !/(^|\/)\.git(\/|$)/.test(path))
      .map((path) => [path, statSync(join(top, path)).mtimeMs])
      .sort();
  }

  /** What was sent to the model since the last look. */
  function news() {
    const requests = world.requests().slice(seen);
    seen += requests.length;
    return requests;
  }

  function assertClean(value, what) {
    const text = JSON.stringify(value);
    for (const secret of [CANARY, world.directory]) {
      const at = text.indexOf(secret);
      assert.ok(at < 0, `${what}: ...${text.slice(Math.max(0, at - 200), at + 200)}...`);
    }
  }

  const say = (text) => ({ type: "text", text: `SCRIPT:${JSON.stringify([{ text }])}` });
  const prompt = (body, headers) =>
    opencode.request("POST", `/session/${session}/message`, { parts: [say("seen")], ...body }, headers);
  const userTexts = ({ messages }) =>
    messages.filter(({ role }) => role === "user").map(({ content }) => JSON.stringify(content)).join("\n");
  /** Without the prompts for titles. */
  const sent = () => world.requests().slice(seen).filter(({ tools }) => tools?.length);
  const lastRequest = () => sent().at(-1);

  /** Runs a command in a session of its own, in which there are the files that the templates name. */
  async function command(name, arguments_ = "") {
    session = await opencode.newSession();
    await world.inSandbox(session, "echo of the sandbox > here.txt; echo KEY=sandbox > .env");
    await opencode.request("POST", `/session/${session}/command`, {
      ...{ command: name, arguments: arguments_, model: "scripted/stand-in" },
    });
  }

  test("in a repository, the environment block and the instruction files are the sandbox's, and the user's own keep their text", async () => {
    await prompt();
    const system = lastRequest().messages[0].content;
    assert.match(system, /Working directory: \/workspace\n {2}Workspace root folder: \/workspace\n/);
    assert.match(system, /\nInstructions from: rules.md \(the user's own, which is not in the sandbox\)\nRULES-OF-THE-USER\n/);
    assert.equal(system.match(/Instructions from: /g).length, 1);
  });

  test("in a folder without a repository, instruction files above it are not read", async () => {
    const headers = { "x-opencode-directory": join(top, "plain/folder") };
    session = (await opencode.request("POST", "/session", {}, headers)).id;
    await prompt({}, headers);
    assert.equal(lastRequest().messages[0].content.match(/Instructions from: /g).length, 1);
  });

  test("neither plan mode nor a summary of the session brings anything of the host", async () => {
    session = await opencode.newSession();
    await prompt({ agent: "plan" });
    await opencode.request("POST", `/session/${session}/summarize`, { providerID: "scripted", modelID: "stand-in" });
  });

  test("a !command runs in the session's sandbox, without OpenCode's environment", async () => {
    session = await opencode.newSession();
    const { parts } = await opencode.request("POST", `/session/${session}/shell`, {
      ...{ agent: "build", command: "pwd; cat .env ~/.env 2>&1; env | grep SECRET; echo ran > commands" },
    });
    assert.match(parts[0].state.output, /^\/workspace\ncat: .env: No such file/);
    assert.equal(await world.inSandbox(session, "cat commands"), "ran\n");
  });

  test("the !`commands` of a template run in the session's sandbox, with the arguments, and their output is in the prompt", async () => {
    await command("look", "one two");
    const text = userTexts(lastRequest());
    assert.match(text, /Look: \/workspace\\nKEY=sandbox\\none two\\n and two\\n @here.txt/);
    assert.equal(await world.inSandbox(session, "cat commands"), "ran\n");
  });

  test("so they do in a prompt for a subagent", async () => {
    await command("delegate", "one");
    const text = sent().map(userTexts).find((texts) => texts.includes("Look: "));
    assert.match(text, /Look: \/workspace\\nKEY=sandbox\\none\\n /);
    assert.match(text, /1: of the sandbox/);
    assert.equal(await world.inSandbox(session, "cat commands"), "ran\n");
  });

  test("a file that a template mentions is the sandbox's", async () => {
    await command("look");
    const text = userTexts(lastRequest());
    assert.match(text, /\/workspace\/here.txt.*1: of the sandbox/s);
    assert.equal(text.match(/Called the Read tool/g).length, 1);
  });

  test("a file of the repository above OpenCode's directory is looked for in the workspace", async () => {
    session = await opencode.newSession();
    await world.inSandbox(session, "echo of the sandbox > here.txt");
    const attached = ["here.txt", "root.txt"].map((filename) => {
      const url = pathToFileURL(join(dirname(world.host), filename)).href;
      return { type: "file", mime: "text/plain", filename, url };
    });
    await prompt({ parts: [say("seen"), ...attached] });
    const text = userTexts(lastRequest());
    assert.match(text, /1: of the sandbox/);
    assert.match(text, /Read tool failed to read \/workspace\/root.txt /);
  });

  for (const name of ["init", "review"]) {
    test(`/${name} speaks of the workspace`, async () => {
      await command(name, say("seen").text);
      assert.ok(sent().some((request) => userTexts(request).includes(name === "init" ? "AGENTS.md" : "review")));
    });
  }

  test("/init speaks of the workspace where there is no repository, too", async () => {
    const headers = { "x-opencode-directory": join(top, "plain/folder") };
    session = (await opencode.request("POST", "/session", {}, headers)).id;
    const body = { command: "init", arguments: say("seen").text, model: "scripted/stand-in" };
    await opencode.request("POST", `/session/${session}/command`, body, headers);
    assert.match(userTexts(lastRequest()), /already exists at `\/workspace`/);
  });

  test("a skill that is called as a command has its files in the sandbox, and its !`commands` run there", async () => {
    await command("tabs", say("seen").text);
    const text = userTexts(lastRequest());
    assert.match(text, /It says \/workspace\\n\.\\n/);
    assert.match(text, /Base directory for this skill: \/tmp\/opencode\/skills\/tabs\\n/);
    assert.equal(await world.inSandbox(session, "sh /tmp/opencode/skills/tabs/tab.sh"), "tabbed\n");
  });

  test("what OpenCode's own tools say at too great length is kept in the sandbox", async () => {
    session = await opencode.newSession();
    const words = Array.from({ length: 6_500 }, (_word, index) => `word${index}`).join(" ");
    const { state } = await opencode.callTool(session, "task", {
      ...{ description: "long", subagent_type: "general", prompt: say(words).text },
    });
    const [, path] = /Full output saved to: (\/tmp\/\.sandbridge\/output\/tool_\w+)\n/.exec(state.output);
    assert.equal(state.metadata.outputPath, path);
    assert.match(await world.inSandbox(session, `cat ${path}`), / word6499\b/);
  });

  test("no terminal is opened", async () => {
    for (const path of ["/pty", "/api/pty"]) {
      const body = { command: "/usr/bin/touch", args: [join(top, "terminal-ran")] };
      await assert.rejects(opencode.request("POST", path, body), /: 500 /);
    }
    assert.deepEqual(await opencode.request("GET", "/pty"), []);
  });

  test("whatever the user's configuration says, no snapshots, formatters or language servers are at work", async () => {
    session = await opencode.newSession();
    await opencode.callTool(session, "write", { filePath: "secret.txt", content: "of the sandbox\n" });
    const { snapshot, formatter, lsp } = await opencode.request("GET", "/config");
    assert.deepEqual({ snapshot, formatter, lsp }, { snapshot: false, formatter: false, lsp: false });
    assert.ok(!existsSync(join(world.env.XDG_DATA_HOME, "opencode/snapshot")));
    const [{ info }] = await opencode.messages(session);
    await opencode.request("POST", `/session/${session}/revert`, { messageID: info.id });
    assert.deepEqual(await opencode.request("GET", `/session/${session}/diff`), []);
    assert.equal(await world.inSandbox(session, "cat secret.txt"), "of the sandbox\n");
  });

  // From here on the plugin is not there: the prompts, unlike the tools, do speak of the host.
  test("with --pure, which leaves the plugin out, README.md's rules close OpenCode's own tools", async () => {
    withoutPlugin = true;
    const tools = [
      { name: "bash", args: { command: `touch ${top}/pure-ran`, description: "x" } },
      { name: "write", args: { filePath: join(top, "pure-wrote"), content: "x" } },
      { name: "read", args: { filePath: join(world.host, "secret.txt") } },
    ];
    const { code, events, stderr } = await world.opencodeRun(`SCRIPT:${JSON.stringify([{ tools }, { text: "done" }])}`, "--pure");
    assert.equal(code, 0, stderr);
    const states = events.filter(({ type }) => type === "tool_use").map(({ part }) => part.state);
    assert.equal(states.length, tools.length);
    for (const { error } of states) assert.match(error, /^The user has specified a rule which prevents you/);
  });

  test("the tools of OpenCode's other core, which knows no plugin, are closed by README.md's rules", async () => {
    withoutPlugin = true;
    const calls = [
      { name: "bash", args: { command: `touch ${top}/other-core-ran` } },
      { name: "write", args: { path: join(top, "other-core-wrote"), content: "x" } },
      { name: "read", args: { path: "secret.txt" } },
    ];
    const { id } = await opencode.request("POST", "/session", { model: { providerID: "scripted", id: "stand-in" } });
    const text = `SCRIPT:${JSON.stringify([{ tools: calls }, { text: "done" }])}`;
    await opencode.request("POST", `/api/session/${id}/prompt`, { prompt: { text } });
    const { messages } = await eventually("the other core answers", () =>
      world.requests().slice(seen).find((request) => request.messages.some(({ role }) => role === "tool")), 60_000);
    const results = messages.filter(({ role }) => role === "tool").map(({ content }) => content);
    assert.equal(results.length, calls.length);
    for (const result of results) assert.match(result, /"error":.*Unable to /);
  });
});
