// What the model is told of where it works: the sandbox's files and paths, not the host's.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { World } from "./world.mjs";

describe("what the model is told of where it works", () => {
  let world, opencode;
  before(async () => {
    world = await World.start({ serve: false });
    put(world.host, "AGENTS.md", "# Rules of the host's project\nHOST-RULES\n\n## More\nHOST-MORE\n");
    put(world.host, "named.md", "NAMED-BY-THE-USER\n");
    put(world.env.XDG_CONFIG_HOME, "opencode/AGENTS.md", "RULES-FOR-ALL-PROJECTS\n");
    put(world.env.HOME, ".claude/skills/tabs/SKILL.md", "---\nname: tabs\ndescription: About tabs\n---\nRun scripts/tab.sh.\n");
    put(world.env.HOME, ".claude/skills/tabs/scripts/tab.sh", "#!/bin/sh\necho tabbed\n");
    chmodSync(join(world.env.HOME, ".claude/skills/tabs/scripts/tab.sh"), 0o755);
    put(world.env.HOME, ".claude/skills/tabs/.env", "KEY=secret\n");
    await world.useOpenCode({ config: { instructions: ["named.md"] } });
    opencode = world.opencode;
  });
  after(() => world?.stop());

  const put = (folder, path, text) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  const systemPrompt = () => world.requests().filter(({ tools }) => tools?.length).at(-1).messages[0].content;

  test("instruction files are the sandbox's, and the user's own for all projects; asking makes no sandbox", async () => {
    const session = await opencode.newSession();
    await opencode.play(session, [{ text: "hello" }]);
    assert.equal((await world.sessions()).length, 0);
    assert.match(systemPrompt(), /Instructions from: AGENTS.md \(the user's own, which is not in the sandbox\)\nRULES-FOR-ALL-PROJECTS/);
    assert.match(systemPrompt(), /NAMED-BY-THE-USER/);
    assert.doesNotMatch(systemPrompt(), /HOST-/);

    await opencode.callTool(session, "write", { filePath: "/workspace/AGENTS.md", content: "# Here\nSANDBOX-RULES\n" });
    assert.match(systemPrompt(), /<\/env>[^]*\nInstructions from: \/workspace\/AGENTS.md\n# Here\nSANDBOX-RULES\n/);
    assert.doesNotMatch(systemPrompt(), /HOST-/);
  });

  test("a skill's files are in the sandbox, under the paths that the model is told", async () => {
    const session = await opencode.newSession();
    const { state } = await opencode.callTool(session, "skill", { name: "tabs" });
    assert.equal(state.status, "completed", state.error);
    assert.match(state.output, /Base directory for this skill: \/tmp\/opencode\/skills\/tabs\n/);
    assert.equal(state.output.match(/<file>/g).length, 1);
    assert.match(state.output, /<file>\/tmp\/opencode\/skills\/tabs\/scripts\/tab.sh<\/file>/);
    assert.doesNotMatch(JSON.stringify(state), new RegExp(world.directory));
    assert.match(systemPrompt(), /<location>\/tmp\/opencode\/skills\/tabs\/SKILL.md<\/location>/);
    assert.doesNotMatch(systemPrompt(), new RegExp(world.env.HOME));
    assert.equal(await world.inSandbox(session, "/tmp/opencode/skills/tabs/scripts/tab.sh"), "tabbed\n");
    assert.equal(await world.inSandbox(session, "cd /tmp/opencode/skills/tabs && find . -type f | sort"), "./SKILL.md\n./scripts/tab.sh\n");
  });

  test("a skill that comes with OpenCode is loaded as it is", async () => {
    const session = await opencode.newSession();
    const { state } = await opencode.callTool(session, "skill", { name: "customize-opencode" });
    assert.equal(state.status, "completed", state.error);
    // OpenCode itself lists files of its own directory here.
    assert.ok(!state.output.includes(world.directory));
    assert.match(state.output, /Base directory for this skill: \.\n[^]*<skill_files>\n\n<\/skill_files>/);
  });

  test("a file of the workspace that a subagent's prompt mentions is given to the subagent", async () => {
    const session = await opencode.newSession();
    await opencode.callTool(session, "write", { filePath: "/workspace/notes.txt", content: "SANDBOX-NOTES\n" });
    const part = await opencode.callTool(session, "task", {
      description: "look",
      prompt: `read @notes.txt and @${world.tokenFile} and @missing.txt SCRIPT:[{"text":"seen"}]`,
      subagent_type: "general",
    });
    assert.equal(part.state.status, "completed", part.state.error);
    const sent = JSON.stringify(world.requests().slice(-2).map(({ messages }) => messages));
    assert.match(sent, /Called the Read tool with the following input: .{0,3}\{.{0,3}filePath.{0,5}\/workspace\/notes.txt/);
    assert.match(sent, /1: SANDBOX-NOTES/);
    assert.equal(sent.match(/Called the Read tool/g).length, 1);
  });
});
