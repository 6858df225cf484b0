// Runs what README.md shows, in its order, as a reader would in a clone that is built: every ```sh block must either run here or
// name the suite of test/run.sh that runs it, in the comment above it. The snippet of opencode.json is given to the real
// OpenCode, with the plugin and, once more, with a plugin that cannot load.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";

const root = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const suites = readFileSync(join(root, "test/run.sh"), "utf8");
const scratch = mkdtempSync(join(tmpdir(), "sandbridge-readme."));
const environment = { ...process.env, HOME: scratch, PATH: `${join(root, "build")}:${process.env.PATH}` };
for (const name of ["XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "TENSORLAKE_API_KEY"]) delete environment[name];

const background = [];
after(async () => {
  for (const child of background) {
    child.kill("SIGTERM");
    await new Promise((done) => (child.exitCode === null && child.signalCode === null ? child.once("exit", done) : done()));
  }
  rmSync(scratch, { recursive: true, force: true });
});

const blocks = [...readme.matchAll(/(?:<!-- (.*?) -->\n)?```(\w+)\n([\s\S]*?)```/g)].map(([, note, language, text]) => ({ note, language, text }));

test("every block of shell says how it is tested", () => {
  for (const block of blocks.filter((each) => each.language === "sh")) assert.ok(block.note, `no comment above:\n${block.text}`);
});

for (const { note, language, text } of blocks) {
  const title = text.trim().split("\n")[0];
  if (language !== "sh" || !note) continue;

  if (note === "run") {
    test(`runs: ${title}`, () => {
      const result = spawnSync("bash", ["-euo", "pipefail", "-c", text], { cwd: root, env: environment, encoding: "utf8", timeout: 120_000 });
      assert.equal(result.status, 0, `${result.stdout}\n${result.stderr}`);
    });
  } else if (note.startsWith("background until: ")) {
    test(`starts: ${title}`, async () => {
      const child = spawn("bash", ["-c", `exec ${text.trim()}`], { cwd: root, env: environment });
      background.push(child);
      let output = "";
      await new Promise((ready, failed) => {
        const look = (data) => {
          output += data;
          if (output.includes(note.slice("background until: ".length))) ready();
        };
        child.stdout.on("data", look);
        child.stderr.on("data", look);
        child.once("exit", (code) => failed(new Error(`exit code ${code}: ${output}`)));
        setTimeout(() => failed(new Error(`not ready: ${output}`)), 60_000).unref();
      });
    });
  } else if (note.startsWith("run by test/run.sh: ")) {
    const suite = note.slice("run by test/run.sh: ".length);
    test(`is run by the suite ${suite}: ${title}`, () => {
      assert.ok(suite === "all" || suites.includes(`suite ${suite} `), `test/run.sh has no suite ${suite}`);
    });
  } else {
    assert.equal(note, "needs a key", `unknown comment: ${note}`);
  }
}

const snippet = JSON.parse(blocks.find((block) => block.note === "opencode.json").text);

// One prompt to the real OpenCode, whose scripted model asks for a file to be made. Returns what `opencode run` printed.
function runOpenCode(name, plugin) {
  const home = join(scratch, name);
  const project = join(home, "project");
  mkdirSync(join(home, ".config/opencode/node_modules"), { recursive: true });
  mkdirSync(project);
  // With these three OpenCode installs nothing at its first start.
  const dependencies = { "@opencode-ai/plugin": "*" };
  writeFileSync(join(home, ".config/opencode/package.json"), JSON.stringify({ dependencies }));
  writeFileSync(join(home, ".config/opencode/package-lock.json"), JSON.stringify({ lockfileVersion: 3, packages: { "": { dependencies } } }));
  const stateHome = join(scratch, ".local/state");
  return new Promise((done, failed) => {
    const model = spawn(process.execPath, [join(root, "examples/opencode/scripted-model.mjs"), "--port", "0"]);
    background.push(model);
    model.stdout.once("data", (line) => {
      const url = /http:\/\/\S+/.exec(String(line))[0];
      const provider = JSON.parse(readFileSync(join(root, "examples/opencode/scripted-model.json"), "utf8").replace("MODEL_URL", url));
      writeFileSync(join(project, "opencode.json"), JSON.stringify({ ...provider, ...snippet, plugin: [plugin] }));
      const script = [{ tools: [{ name: "bash", args: { command: `pwd; echo here > ${project}/made; touch made` } }] }, { text: "done" }];
      const child = spawn(join(root, "examples/opencode/node_modules/.bin/opencode"), ["run", "--format", "json"], {
        cwd: project,
        env: {
          ...environment,
          HOME: home,
          PWD: project, // which OpenCode believes more than its working directory
          SANDBRIDGE_TOKEN_FILE: join(stateHome, "sandbridge/token"),
          OPENCODE_DISABLE_AUTOUPDATE: "1",
          OPENCODE_DISABLE_MODELS_FETCH: "1",
          OPENCODE_DISABLE_DEFAULT_PLUGINS: "1",
        },
      });
      let output = "";
      child.stdout.on("data", (data) => (output += data));
      child.stderr.on("data", (data) => (output += data));
      child.once("error", failed);
      child.once("exit", () => done({ output, project }));
      child.stdin.end(`SCRIPT:${JSON.stringify(script)}\n`);
      setTimeout(() => child.kill("SIGKILL"), 90_000).unref();
    });
  });
}

test("the snippet of opencode.json runs the tools in the sandbox", async () => {
  const { output, project } = await runOpenCode("with-plugin", join(root, "plugin"));
  assert.match(output, /"tool":"bash"/);
  assert.match(output, /\/workspace\\n/, output);
  assert.deepEqual(readdirSync(project), ["opencode.json"]);
});

test("with a plugin that cannot load, the snippet lets nothing touch the host", async () => {
  const broken = join(scratch, "broken.ts");
  writeFileSync(broken, 'throw new Error("broken on purpose");\n');
  const { output, project } = await runOpenCode("broken-plugin", broken);
  assert.match(output, /"tool":"bash"/);
  assert.match(output, /prevents you from using this specific tool call/);
  assert.ok(!existsSync(join(project, "made")));
});
