// The bridge's own OpenCode: everything through the bridge's one port, as `opencode attach` and `opencode run --attach` do.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { opencode as command, World, eventually } from "./world.mjs";

describe("a real OpenCode behind the bridge", () => {
  let world, opencode, directory;
  before(async () => {
    world = await World.start({ front: true });
    opencode = world.opencode;
    directory = (await opencode.request("GET", "/path")).directory;
  });
  after(() => world?.stop());
  afterEach(() => assert.deepEqual(readdirSync(directory), [], "something appeared in OpenCode's directory"));

  const script = (turns) => `SCRIPT:${JSON.stringify(turns)}`;
  const bash = (command) => ({ tools: [{ name: "bash", args: { command } }] });

  /** The processes of this world whose program is OpenCode. */
  function processes() {
    return readdirSync("/proc").filter((pid) => {
      try {
        return /\/opencode[^/]*$/.test(readlinkSync(`/proc/${pid}/exe`)) &&
          readFileSync(`/proc/${pid}/environ`, "utf8").includes(`HOME=${world.env.HOME}\0`);
      } catch {
        return false; // not a process, or no longer one
      }
    }).map(Number);
  }

  test("its tools act in the sandbox, and its events arrive as they happen", async () => {
    const session = await opencode.newSession();
    const turn = opencode.callTool(session, "bash", { command: "echo first; while [ ! -e go ]; do sleep 0.1; done; pwd" });
    // The command ends only after its first line was seen.
    await eventually("the first line is shown", () =>
      opencode.events.some(({ properties }) => properties.part?.sessionID === session &&
        properties.part.state?.metadata?.output === "first\n"));
    await world.inSandbox(session, "touch go");
    const { state } = await turn;
    assert.equal(state.output, "first\n/workspace\n");
  });

  test("`opencode run --attach` works in the sandbox", async () => {
    const { code, events, stderr } = await world.opencodeRun(
      script([bash("echo attached > file; cat file"), { text: "done" }]), "--attach", opencode.url);
    assert.equal(code, 0, stderr);
    // OpenCode 1.18.33 may end before it has printed the last parts; the server has them.
    const session = events[0].sessionID;
    const [part] = await eventually("the call has ended", async () => {
      const parts = await opencode.toolParts(session);
      return parts[0]?.state.status === "completed" && parts;
    });
    assert.equal(part.state.output, "attached\n");
    assert.equal(await world.inSandbox(session, "cat /workspace/file"), "attached\n");
  });

  test("`opencode attach` shows its prompt, takes one, and shows what the sandbox prints", async () => {
    const tmux = (...args) => execFileSync("tmux", ["-S", join(world.directory, "tmux"), ...args],
      { env: { ...world.env, TERM: "xterm-256color", LANG: "C.UTF-8" }, encoding: "utf8" });
    const shown = async (text) => {
      let picture = "";
      await eventually(`the terminal shows ${text}`, () => (picture = tmux("capture-pane", "-p")).includes(text))
        .catch((error) => assert.fail(`${error.message}:\n${picture}`));
    };
    tmux("-f", "/dev/null", "new-session", "-d", "-x", "130", "-y", "50", command, "attach", opencode.url);
    try {
      await shown("Ask anything");
      tmux("send-keys", "-l", script([bash("expr 1200 + 34; pwd"), { text: "the model is done" }]));
      await shown("the model is done"); // as it was typed
      tmux("send-keys", "Enter");
      await shown("1234");
      await shown("/workspace");
    } finally {
      tmux("kill-server");
    }
  });

  test("what would show or change the bridge's machine does not pass", async () => {
    const leak = join(world.directory, "leaked");
    await assert.rejects(opencode.request("GET", "/file/content?path=/etc/hostname"), /404/);
    await assert.rejects(opencode.request("GET", "/api/fs/read/etc/hostname"), /404/);
    assert.deepEqual(await opencode.request("GET", "/file?path=/etc"), []);
    assert.deepEqual(await opencode.request("GET", "/vcs"), { branch: null, default_branch: null });
    assert.deepEqual(await opencode.request("GET", "/vcs/diff?mode=git"), []);
    await assert.rejects(opencode.request("POST", "/pty", { command: "/usr/bin/touch", args: [leak] }), /403/);
    await assert.rejects(opencode.request("POST", "/project/git/init", {}), /403/);

    // Sessions of OpenCode's other core do not know the plugin: its bash is the host's.
    const session = await opencode.newSession();
    const prompt = { text: script([bash(`touch ${leak}`), { text: "done" }]) };
    await assert.rejects(opencode.request("POST", `/api/session/${session}/prompt`, { prompt }), /403/);

    const file = { type: "file", mime: "text/plain", url: `file://${world.tokenFile}`, filename: "token" };
    const parts = [{ type: "text", text: script([{ text: "seen" }]) }, file];
    await opencode.request("POST", `/session/${session}/message`, { parts });
    assert.ok(!JSON.stringify(world.requests()).includes(readFileSync(world.tokenFile, "utf8").trim()));
    assert.match(JSON.stringify(world.requests()), /Read tool failed to read/);
    assert.ok(!existsSync(leak));
  });

  test("when OpenCode is killed the bridge starts it again, with its sessions", async () => {
    const session = await opencode.newSession();
    await opencode.callTool(session, "bash", { command: "echo kept > file" });
    const killed = processes();
    assert.ok(killed.length > 0);
    for (const pid of killed) process.kill(pid, "SIGKILL");
    await eventually("another one answers", async () => {
      const answers = await fetch(`${opencode.url}/path`, { signal: AbortSignal.timeout(4_000) }).catch(() => undefined);
      return answers?.ok && processes().length > 0;
    });
    assert.ok(processes().every((pid) => !killed.includes(pid)));
    const { state } = await opencode.callTool(session, "bash", { command: "cat file" });
    assert.equal(state.output, "kept\n");
  });

  test("it ends with the bridge", async () => {
    assert.ok(processes().length > 0);
    await world.removeSandboxes();
    await world.bridge.stop();
    await eventually("no process of it is left", () => processes().length === 0);
    assert.equal(world.bridge.process.exitCode, 0);
  });
});
