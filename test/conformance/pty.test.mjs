// Terminals.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { quick, sh, until, useCloud } from "./support.mjs";

const cloud = useCloud();

// A terminal and all that it has shown.
class Screen {
  text = "";
  onData = (bytes) => {
    this.text += Buffer.from(bytes).toString("latin1");
  };
  shows(part) {
    return until(() => this.text.includes(part));
  }
}

async function killed(pty) {
  const told = assert.rejects(pty.wait(), /PTY session terminated/);
  await pty.kill();
  await told;
}

describe("a terminal", () => {
  let sandbox;

  before(async () => {
    sandbox = await cloud.create({ name: "terminals", timeoutSecs: 600 });
  });

  const open = async (script, more = {}) => {
    const screen = new Screen();
    const pty = await sandbox.createPty({ command: "sh", args: ["-c", script], onData: screen.onData, ...more });
    return { pty, screen };
  };
  const processIs = async (pid, alive) =>
    ((await sh(sandbox, `kill -0 ${pid} 2>/dev/null && echo yes || echo no`)).stdout === "yes") === alive;

  it("is a shell to talk to, of the size that was asked for, with an exit code", async () => {
    const screen = new Screen();
    const pty = await sandbox.createPty({
      command: "/bin/bash",
      args: ["--norc"],
      rows: 30,
      cols: 100,
      env: { PS1: "ready> " },
      workingDir: "/tmp",
      onData: screen.onData,
    });
    await screen.shows("ready> ");
    await pty.sendInput("stty size; pwd; whoami; tty; echo $((6 * 7))\n");
    await screen.shows("30 100\r\n/tmp\r\nroot\r\n/dev/pts/");
    await screen.shows("\r\n42\r\n");
    assert.ok(!screen.text.includes("no job control"), "it has no controlling terminal");
    let told;
    pty.onExit((code) => (told = code));
    await pty.sendInput(Buffer.from("exit 7\n"));
    assert.equal(await pty.wait(), 7);
    assert.equal(told, 7);
  });

  it("is resized while it runs", async () => {
    const { pty, screen } = await open("trap 'stty size' WINCH; echo up; while :; do read line; done");
    await screen.shows("up");
    await pty.resize(132, 43);
    await screen.shows("43 132\r\n");
    await killed(pty);
  });

  it("interrupts with Ctrl-C, ends input with Ctrl-D", async () => {
    const { pty, screen } = await open(
      "trap 'echo interrupted; stop=1' INT; echo up; while [ -z \"$stop\" ]; do sleep 0.01; done; echo again; cat; exit 3",
    );
    await screen.shows("up");
    await pty.sendInput("\x03");
    await screen.shows("interrupted");
    await screen.shows("again");
    await pty.sendInput("\x04");
    assert.equal(await pty.wait(), 3);
  });

  it("shows a second client what the first has seen, and both what comes", async () => {
    const { pty, screen } = await open("echo before; read line; echo after; read line");
    await screen.shows("before\r\n");
    const second = new Screen();
    const other = await sandbox.connectPty(pty.sessionId, pty.token, { onData: second.onData });
    await second.shows("before\r\n");
    await other.sendInput("x\n");
    await screen.shows("after\r\n");
    await second.shows("after\r\n");
    assert.equal(second.text, screen.text);
    await pty.sendInput("\n");
    assert.equal(await pty.wait(), 0);
    assert.equal(await other.wait(), 0);
  });

  it("is left and come back to", async () => {
    const { pty, screen } = await open("echo first; read line; echo second; read line; exit 5");
    await screen.shows("first");
    pty.disconnect();
    await until(async () => {
      try {
        await pty.sendInput("x");
        return false;
      } catch (error) {
        return /not connected/.test(error.message);
      }
    });
    const again = new Screen();
    const back = await sandbox.connectPty(pty.sessionId, pty.token, { onData: again.onData });
    await again.shows("first");
    await back.sendInput("\n");
    await again.shows("second");
    await back.sendInput("\n");
    assert.equal(await back.wait(), 5);
  });

  it("tells its exit code to who comes after the end", async () => {
    const { pty } = await open("echo bye; exit 9");
    assert.equal(await pty.wait(), 9);
    const screen = new Screen();
    const late = await sandbox.connectPty(pty.sessionId, pty.token, { onData: screen.onData });
    assert.equal(await late.wait(), 9);
    assert.equal(screen.text, "bye\r\n");
  });

  it("ends with all its processes when it is killed", async () => {
    const { pty, screen } = await open("sleep 1000 & echo job=$!.; sh -c 'echo shell=$$.; sleep 1001; true'");
    await screen.shows("shell=");
    await until(() => /job=(\d+)\.[^]*shell=(\d+)\./.test(screen.text));
    const [, job, shell] = /job=(\d+)\.[^]*shell=(\d+)\./.exec(screen.text);
    assert.ok(await processIs(job, true));
    await killed(pty);
    await until(() => processIs(job, false));
    await until(() => processIs(shell, false));
  });

  it("refuses who has not its token", async () => {
    const { pty } = await open("read line");
    await assert.rejects(sandbox.connectPty(pty.sessionId, "wrong"), /403/);
    await assert.rejects(sandbox.connectPty("nobody", pty.token), /403/);
    await killed(pty);
  });

  it("says why it cannot be started", async () => {
    await assert.rejects(
      sandbox.createPty({ command: "no-such-program" }),
      (error) => error.statusCode === 500 && /No such file/.test(error.message),
    );
  });

  it("survives the suspension of its sandbox, whose clients are told", async () => {
    const { pty, screen } = await open("echo up; read line; echo \"got $line\"; read line");
    await screen.shows("up");
    const told = assert.rejects(pty.wait(), /1001 the sandbox was suspended/);
    await sandbox.suspend(quick);
    await told;
    const again = new Screen();
    const back = await sandbox.connectPty(pty.sessionId, pty.token, { onData: again.onData }); // wakes it
    await again.shows("up");
    await back.sendInput("on\n");
    await again.shows("got on");
    await killed(back);
  });

  it("survives the death of the server", async () => {
    const { pty, screen } = await open("echo up; read line; echo \"got $line\"; exit 4");
    await screen.shows("up");
    const cut = assert.rejects(pty.wait(), /closed unexpectedly/);
    await cloud.killAndRestart();
    await cut;
    sandbox = await cloud.connect("terminals");
    const again = new Screen();
    const back = await sandbox.connectPty(pty.sessionId, pty.token, { onData: again.onData });
    await again.shows("up");
    await back.sendInput("on\n");
    assert.equal(await back.wait(), 4);
    assert.ok(again.text.includes("got on"));
  });
});
