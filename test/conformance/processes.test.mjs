import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { bytes, sh, status, until, useCloud } from "./support.mjs";

const cloud = useCloud();

describe("processes", () => {
  let sandbox;

  before(async () => {
    sandbox = await cloud.create({ name: "processes" });
  });

  it("take input and can be followed", async () => {
    const { pid } = await sandbox.startProcess("cat", { stdinMode: "pipe" });
    await sandbox.writeStdin(pid, bytes("one\ntwo\n"));
    await sandbox.closeStdin(pid);
    const lines = [];
    for await (const event of sandbox.followOutput(pid)) lines.push(event.line);
    assert.deepEqual(lines, ["one", "two"]);
  });

  it("take signals", async () => {
    const sleeper = await sandbox.startProcess("sleep", { args: ["600"] });
    assert.equal((await sandbox.getProcess(sleeper.pid)).status, "running");
    await sandbox.sendSignal(sleeper.pid, 15);
    await until(async () => (await sandbox.getProcess(sleeper.pid)).status === "signaled");
  });

  it("are told apart by name, whatever is in it, and by pid", async () => {
    const { pid } = await sandbox.startProcess("sleep", { args: ["600"], name: "web 1%ä?" });
    assert.equal((await sandbox.getProcess("web 1%ä?")).pid, pid);
    assert.equal((await sandbox.getProcess(pid)).managed.name, "web 1%ä?");
    await assert.rejects(sandbox.getProcess("nobody"), status(404));
    await assert.rejects(sandbox.startProcess("true", { name: "12" }));
    await assert.rejects(sandbox.startProcess("true", { name: "a/b" }));
    await sandbox.killProcess("web 1%ä?");
    await until(async () => (await sandbox.getProcess(pid)).status === "signaled");
  });

  it("are followed from their beginning, while they run and after", async () => {
    const { pid } = await sandbox.startProcess("sh", {
      args: ["-c", "echo one; echo two >&2; while [ ! -e /tmp/go ]; do sleep 0.02; done; echo three"],
    });
    await until(async () => (await sandbox.getOutput(pid)).lineCount === 2);
    const follow = async (stream) => {
      const lines = [];
      for await (const event of stream) lines.push(event.line);
      return lines;
    };
    const following = [follow(sandbox.followOutput(pid)), follow(sandbox.followStdout(pid)), follow(sandbox.followStderr(pid))];
    await sh(sandbox, ": > /tmp/go");
    const expected = [["one", "two", "three"], ["one", "three"], ["two"]];
    assert.deepEqual(await Promise.all(following), expected);
    assert.deepEqual(await follow(sandbox.followStdout(pid)), ["one", "three"]);
    assert.deepEqual((await sandbox.getStderr(pid)).lines, ["two"]);
  });

  it("discard what is not to be captured, and take input only when asked", async () => {
    const { pid } = await sandbox.startProcess("sh", {
      args: ["-c", "echo out; echo err >&2"],
      stdoutMode: "discard",
      stderrMode: "capture",
    });
    await until(async () => (await sandbox.getProcess(pid)).status === "exited");
    assert.deepEqual((await sandbox.getOutput(pid)).lines, ["err"]);
    await assert.rejects(sandbox.writeStdin(pid, bytes("x")), (error) => /STDIN_NOT_WRITABLE/.test(error.message));
  });

  it("take all that they have started along when they end", async () => {
    const left = async (seconds) => (await sh(sandbox, `pgrep -fc '^sleep ${seconds}'`)).stdout.trim();
    const script = (seconds) => `sleep ${seconds} & setsid -f sleep ${seconds}; (nohup sleep ${seconds} >/dev/null 2>&1 &)`;
    const run = await sh(sandbox, script(7101));
    assert.equal(run.exitCode, 0);
    await until(async () => (await left(7101)) === "0");
    const { pid } = await sandbox.startProcess("sh", { args: ["-c", `${script(7102)}; exec sleep 7103`] });
    await until(async () => (await left(7102)) === "3");
    assert.equal(await left(7103), "1");
    await sandbox.killProcess(pid);
    await until(async () => (await left("710[23]")) === "0");
  });

  it("survive the death of the server, and are followed on", async () => {
    const { pid } = await sandbox.startProcess("sh", {
      args: ["-c", "echo before; while [ ! -e /tmp/after ]; do sleep 0.02; done; echo after"],
    });
    await cloud.killAndRestart();
    sandbox = await cloud.connect("processes");
    const lines = [];
    const following = (async () => {
      for await (const event of sandbox.followOutput(pid)) lines.push(event.line);
    })();
    await sh(sandbox, ": > /tmp/after");
    await following;
    assert.deepEqual(lines, ["before", "after"]);
  });
});

describe("managed processes", () => {
  let sandbox;

  before(async () => {
    sandbox = await cloud.create({ name: "managed" });
  });

  const soon = { initialBackoffMs: 20 };
  const managed = async (name) => (await sandbox.getProcess(name)).managed;
  const count = async (file) => Number((await sh(sandbox, `cat ${file} 2>/dev/null | wc -l`)).stdout);

  it("start again when they fail, as often as they may", async () => {
    const first = await sandbox.startProcess("sh", {
      args: ["-c", "echo run >> /tmp/runs; exit 3"],
      name: "crasher",
      restart: { policy: "on_failure", maxRestarts: 2, ...soon },
    });
    assert.equal(first.managed.id, "crasher");
    await until(async () => (await managed("crasher")).status === "stopped");
    const info = await managed("crasher");
    assert.equal(await count("/tmp/runs"), 3);
    assert.equal(info.restartCount, 2);
    assert.deepEqual(info.restart, { policy: "on_failure", maxRestarts: 2, initialBackoffMs: 20, maxBackoffMs: 30000 });
    assert.equal(info.healthStatus, "disabled");
    assert.equal(info.lastExit.exitCode, 3);
    assert.equal(info.lastExit.oomKilled, false);
    assert.ok(info.lastExit.endedAt instanceof Date);
  });

  it("start again always, until they are killed", async () => {
    await sandbox.startProcess("sh", {
      args: ["-c", "echo run >> /tmp/always"],
      name: "always",
      restart: { policy: "always", ...soon, maxBackoffMs: 20 },
    });
    await until(async () => (await count("/tmp/always")) >= 3);
    await sandbox.killProcess("always");
    assert.equal((await managed("always")).status, "stopped");
    const runs = await count("/tmp/always");
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(await count("/tmp/always"), runs);
  });

  it("say when they will start again", async () => {
    await sandbox.startProcess("false", { name: "later", restart: { initialBackoffMs: 60_000, maxBackoffMs: 60_000 } });
    await until(async () => (await managed("later")).status === "backing_off");
    const { nextRestartAt } = await managed("later");
    assert.ok(nextRestartAt.getTime() > Date.now());
    await sandbox.killProcess("later");
    assert.equal((await managed("later")).status, "stopped");
  });

  it("are restarted on request, with another pid", async () => {
    const first = await sandbox.startProcess("sleep", { args: ["600"], name: "service" });
    const second = await sandbox.restartProcess("service");
    assert.notEqual(second.pid, first.pid);
    assert.equal(second.status, "running");
    assert.equal(second.managed.restartCount, 1);
    const plain = await sandbox.startProcess("sleep", { args: ["600"] });
    assert.equal(plain.managed, undefined);
    await assert.rejects(sandbox.restartProcess(plain.pid), status(400));
    await sandbox.killProcess("service");
  });

  it("are healthy while their port answers, and start again when it does not", async () => {
    // Well until the file is there.
    const server = `
      use IO::Socket::INET;
      my $port = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => 8099, ReuseAddr => 1) or die;
      while (my $client = $port->accept) {
        while (my $line = <$client>) { last if $line eq "\\r\\n" }
        my $status = -e "/tmp/sick" ? "503 No" : "200 OK";
        print $client "HTTP/1.1 $status\\r\\nContent-Length: 0\\r\\n\\r\\n";
        close $client;
      }`;
    const { pid } = await sandbox.startProcess("perl", {
      args: ["-e", server],
      name: "server",
      restart: soon,
      healthCheck: { type: "http", port: 8099, path: "/up", initialDelayMs: 500, intervalMs: 50, timeoutMs: 5000, failureThreshold: 20 },
    });
    await until(async () => (await managed("server")).healthStatus === "healthy");
    await sh(sandbox, ": > /tmp/sick");
    await until(async () => (await sandbox.getProcess("server")).pid !== pid);
    assert.equal((await managed("server")).lastExit.signal, 9);
    await sh(sandbox, "rm /tmp/sick");
    await until(async () => (await managed("server")).healthStatus === "healthy");
    await sandbox.killProcess("server");
  });

  it("are said to be unhealthy where they are never started again", async () => {
    await sandbox.startProcess("sleep", {
      args: ["600"],
      name: "deaf",
      restart: { policy: "never" },
      healthCheck: { type: "tcp", port: 4, initialDelayMs: 1, intervalMs: 10, failureThreshold: 2 },
    });
    await until(async () => (await managed("deaf")).healthStatus === "unhealthy");
    assert.match((await managed("deaf")).lastError, /health check: port 4 does not answer/);
    assert.equal((await managed("deaf")).healthCheck.type, "tcp");
    assert.equal((await sandbox.getProcess("deaf")).status, "running");
    await sandbox.killProcess("deaf");
  });
});
