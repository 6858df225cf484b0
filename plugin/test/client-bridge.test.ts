// The client with the real bridge and real sandboxes.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Question, RpcError, type RunResult, type SandboxClient, type SandboxSession, connect } from "../src/client/index.ts";
import { RealBridge } from "./support/real-bridge.ts";
import { failure } from "./support/vat-server.ts";

let bridge: RealBridge;
let client: SandboxClient;
let session: SandboxSession;
const opened: SandboxSession[] = [];
const open = (id: string, root?: string): SandboxSession => {
  const made = client.session(id, { root });
  opened.push(made);
  return made;
};
before(async () => {
  bridge = await RealBridge.start();
  client = connect({ url: bridge.url, tokenFile: bridge.tokenFile });
  session = open("client test: main");
  await session.prepare();
});
after(async () => {
  for (const one of opened) await one.destroy();
  await client.close();
  await bridge.stop();
});

const kind = async (promise: Promise<unknown>): Promise<string> => {
  const error = await failure(promise);
  assert.ok(error instanceof RpcError, String(error));
  return error.kind;
};

test("the bridge says who it is", async () => {
  const info = await client.hello();
  assert.deepEqual([info.name, info.backend, info.workspace], ["sandbridge", "local", "/workspace"]);
  for (const tool of ["bash", "read", "write", "edit", "apply_patch", "glob", "grep", "process", "list", "multiedit"]) assert.ok(info.tools.includes(tool), tool);
});

describe("commands", () => {
  test("give their output and their end", async () => {
    const result = await session.run("echo out; echo err >&2; pwd; exit 3");
    assert.deepEqual(result, { code: 3, stdout: "out\n/workspace\n", stderr: "err\n", truncated: false });
    assert.deepEqual(await session.exec(["sh", "-c", "kill -TERM $$"]), { signal: 15 });
    assert.deepEqual(await session.exec(["sleep", "60"], { timeoutMs: 200 }), { timeout: true });
  });

  test("take arguments, directory and environment as they are", async () => {
    const words = ["a b", "'", '"$HOME"', "-n", "", "*", "ü\n;"];
    const { stdout } = await session.run(["sh", "-c", 'printf "<%s>" "$@"; printf "|$X|"; pwd', "-", ...words],
      { workdir: "/tmp", env: { X: "a 'b' $c" } });
    assert.equal(stdout, `${words.map((word) => `<${word}>`).join("")}|a 'b' $c|/tmp\n`);
  });

  test("stream what they print while they run", async () => {
    // The command ends only after its first line was seen here.
    let seen = "";
    const ended = await session.exec("echo first; while [ ! -e go ]; do sleep 0.05; done; echo second", {
      onStdout: async (bytes) => {
        seen += new TextDecoder().decode(bytes);
        if (seen === "first\n") await session.files.write("go", "");
      },
    });
    assert.equal(ended.code, 0);
    assert.equal(seen, "first\nsecond\n");
  });

  test("read what they are given, also when it is long", async () => {
    const { stdout } = await session.run("wc -c", { stdin: "x".repeat(3_000_000) });
    assert.equal(stdout.trim(), "3000000");
    async function* lines(): AsyncGenerator<string> {
      yield "b\n";
      yield "a\n";
    }
    assert.equal((await session.run("sort", { stdin: lines() })).stdout, "a\nb\n");
    assert.equal((await session.run("head -c 1", { stdin: "y".repeat(3_000_000) })).stdout, "y");
  });

  test("that print more than is kept run to their end", async () => {
    const result = await session.run("head -c 3000000 /dev/zero; echo done >&2", { maxOutputBytes: 1000 });
    assert.deepEqual([result.stdout.length, result.stderr, result.truncated], [1000, "done\n", true]);
  });

  test("are killed when they are aborted, and their group with them", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const running = failure(session.exec("sleep 4321 & echo up; wait", {
      signal: stop.signal,
      onStdout: () => stop.abort(reason),
    }));
    assert.equal(await running, reason);
    // Without naming what it looks for, which its own command line would hold.
    const others = (): Promise<RunResult> => session.run(["sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '"]);
    let { stdout } = await others();
    for (let i = 0; i < 100 && stdout.includes("sleep 4321"); i++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      ({ stdout } = await others());
    }
    assert.ok(!stdout.includes("sleep 4321"), stdout);
  });

  test("end when their output cannot be taken, with the taker's error", async () => {
    const full = new Error("my disk is full");
    const error = await failure(session.exec("yes", {
      onStdout() {
        throw full;
      },
    }));
    assert.equal(error, full);
  });

  test("that are not there say so", async () => {
    const result = await session.run("no-such-program");
    assert.equal(result.code, 127);
    assert.match(result.stderr, /not found/);
  });
});

describe("files", () => {
  test("come back byte for byte", async () => {
    const bytes = Uint8Array.from({ length: 2_500_000 }, (_, i) => (i * 31 + (i >> 8)) & 255);
    await session.files.write("deep/er/it's \"odd\".bin", bytes);
    assert.equal(Buffer.compare(await session.files.read("/workspace/deep/er/it's \"odd\".bin"), bytes), 0);
  });

  test("come and go as text with their byte order mark", async () => {
    await session.files.write("mark.txt", "\uFEFFé\n");
    assert.equal(await session.files.readText("mark.txt"), "\uFEFFé\n");
    assert.equal((await session.run("cat mark.txt")).stdout, "\uFEFFé\n");
  });

  test("are listed and removed", async () => {
    await session.files.write("list/b.txt", "bb");
    await session.files.write("list/a/x", "");
    const entries = await session.files.list("list");
    assert.deepEqual(entries.map(({ name, isDirectory }) => [name, isDirectory]), [["a", true], ["b.txt", false]]);
    assert.equal(entries[1]?.size, 2);
    await session.files.remove("list/b.txt");
    assert.equal(await kind(session.files.read("list/b.txt")), "notFound");
  });

  test("stay as they were when their new content fails to come", async () => {
    await session.files.write("kept", "old");
    async function* broken(): AsyncGenerator<string> {
      yield "new";
      throw new Error("the source ran dry");
    }
    assert.match((await failure(session.files.write("kept", broken())) as Error).message, /the source ran dry/);
    assert.equal(await session.files.readText("kept"), "old");
  });
});

describe("tools", () => {
  test("write, read and bash", async () => {
    const written = await session.tools.call("write", { filePath: "/workspace/t.txt", content: "one\ntwo\n" });
    assert.equal(written.failed, false);
    const read = await session.tools.call("read", { filePath: "/workspace/t.txt" });
    assert.match(read.output, /one/);
    let printed = "";
    const bash = await session.tools.call("bash", { command: "cat t.txt; exit 2", description: "Shows it" }, {
      onOutput: (bytes) => {
        printed += new TextDecoder().decode(bytes);
      },
    });
    assert.equal(printed, "one\ntwo\n");
    assert.equal(bash.metadata["exit"], 2);
  });

  test("that run a command keep what it prints while it is stopped", async () => {
    const stop = new AbortController();
    const bash = await session.tools.call("bash", { command: "trap 'echo bye; exit' TERM; echo up; sleep 1000 & wait" }, {
      stop: stop.signal,
      onOutput: () => stop.abort(),
    });
    assert.match(bash.output, /^up\nbye\n\n\n<shell_metadata>\nUser aborted the command/);
    assert.equal(bash.metadata["exit"], null);
    // What comes too late to be sent is an ordinary cancellation.
    const late = failure(session.tools.call("bash", { command: "touch too-late" }, { stop: AbortSignal.abort("late") }));
    assert.equal(await late, "late");
    assert.equal(await kind(session.files.read("too-late")), "notFound");
  });

  test("list shows the tree of a directory", async () => {
    for (const path of ["tree/src/a.c", "tree/node_modules/x.js", "tree/.github/ci.yml", "tree/b.txt"]) await session.files.write(path, "");
    const asked: Question[] = [];
    const call = { path: "/workspace/tree", ignore: ["*.yml"] };
    const list = await session.tools.call("list", call, { ask: (question) => void asked.push(question) });
    assert.deepEqual([list.failed, list.title, list.output], [false, "tree", "/workspace/tree/\n  src/\n    a.c\n  b.txt\n"]);
    assert.deepEqual(list.metadata, { count: 2, truncated: false });
    const path = "/workspace/tree";
    assert.deepEqual(asked, [{ permission: "list", patterns: [path], always: ["*"], metadata: { path } }]);
  });

  test("multiedit makes all of its edits with one question, or none", async () => {
    await session.files.write("many.c", "int a;\nint b;\n");
    const asked: Question[] = [];
    const edit = (edits: object[]) =>
      session.tools.call("multiedit", { filePath: "many.c", edits }, { ask: (question) => void asked.push(question) });
    const failed = await edit([{ oldString: "int a", newString: "long a" }, { oldString: "int c", newString: "long c" }]);
    assert.ok(failed.failed);
    assert.match(failed.output, /^Edit 2 of 2, so that nothing was changed: Could not find oldString in the file/);
    assert.equal(asked.length, 0);
    assert.equal(await session.files.readText("many.c"), "int a;\nint b;\n");

    const done = await edit([
      { oldString: "int", newString: "long", replaceAll: true },
      { oldString: "long b", newString: "long long b" },
    ]);
    assert.deepEqual([done.failed, done.title], [false, "many.c"]);
    assert.match(done.output, /^Edit applied successfully\./);
    assert.equal(await session.files.readText("many.c"), "long a;\nlong long b;\n");
    assert.equal((done.metadata["results"] as unknown[]).length, 2);
    assert.ok("diagnostics" in done.metadata);
    assert.deepEqual(asked.map(({ permission, patterns, always }) => ({ permission, patterns, always })), [
      { permission: "edit", patterns: ["many.c"], always: ["*"] },
    ]);
    assert.equal(asked[0]?.metadata["filepath"], "/workspace/many.c");
    assert.match(String(asked[0]?.metadata["diff"]), /^-int a;\n-int b;\n\+long a;\n\+long long b;$/m);
  });

  test("that fail are results", async () => {
    const missing = await session.tools.call("read", { filePath: "/workspace/missing.txt" });
    assert.equal(missing.failed, true);
    assert.match(missing.output, /not found/i);
  });

  test("ask before they act, and do not act when they may not", async () => {
    const no = new Error("not here");
    const refused = failure(session.tools.call("write", { filePath: "/workspace/refused.txt", content: "x" }, {
      ask: (question) => {
        assert.equal(question.permission, "edit");
        throw no;
      },
    }));
    assert.equal(await refused, no);
    assert.equal(await kind(session.files.read("refused.txt")), "notFound");
  });
});

describe("sessions", () => {
  test("with one root share a sandbox, others do not", async () => {
    await session.files.write("shared.txt", "mine");
    assert.equal(await open("child", session.id).files.readText("shared.txt"), "mine");
    assert.equal(await kind(open("client test: other").files.read("shared.txt")), "notFound");
  });

  test("are told of errors in changed files, unless they do not want it", async () => {
    const quiet = client.session("client test: quiet", { diagnostics: false });
    const told = await quiet.tools.call("write", { filePath: "broken.c", content: "int x = missing;\n" });
    assert.equal(told.output, "Wrote file successfully.");
    const loud = client.session("client test: quiet");
    // A server that is slow to start is late for the first calls.
    let output = "";
    for (let attempt = 0; attempt < 8 && !output.includes("<diagnostics"); attempt++) {
      ({ output } = await loud.tools.call("write", { filePath: "broken.c", content: `int x = missing${attempt};\n` }));
    }
    assert.match(output, /^Wrote file successfully\.\n\nLSP errors detected in this file, please fix:\n<diagnostics file="\/workspace\/broken\.c">\nERROR \[1:9\]/);
    await loud.destroy();
  });

  test("are listed, watched and destroyed", async () => {
    const events: string[] = [];
    using watch = client.watch((event) => {
      if (event.sessionId === "client test: watched") events.push(event.kind);
    });
    const watched = open("client test: watched");
    assert.equal((await watched.info()).status, "none");
    assert.equal((await watched.prepare()).status, "running");
    assert.ok((await client.sessions()).some((info) => info.id === "client test: watched"));
    await watched.destroy();
    assert.ok(!(await client.sessions()).some((info) => info.id === "client test: watched"));
    await client.ping();
    assert.deepEqual(events, ["created", "deleted"]);
    assert.ok(watch);
  });

  test("survive kill -9 of the bridge, without the client being made anew", async () => {
    await session.files.write("survivor.txt", "here");
    const { sandboxId } = await session.info();
    await bridge.kill("SIGKILL");
    const reading = session.files.readText("survivor.txt");
    await bridge.startAgain();
    assert.equal(await reading, "here");
    assert.equal((await session.prepare()).sandboxId, sandboxId);
  });
});

test("the built client works in Node without tools", () => {
  const built = fileURLToPath(new URL("../dist/client/index.js", import.meta.url));
  assert.ok(existsSync(built), "run `npm run build` first");
  const output = execFileSync("node", ["--input-type=module", "-e", `
    import { connect } from ${JSON.stringify(built)};
    const client = connect({ url: ${JSON.stringify(bridge.url)}, tokenFile: ${JSON.stringify(bridge.tokenFile)} });
    const { stdout } = await client.session(${JSON.stringify(session.id)}).run("echo from $((40 + 2))");
    await client.close();
    process.stdout.write(stdout);
  `], { encoding: "utf8" });
  assert.equal(output, "from 42\n");
});

test("a command whose input is lost is ended, and its outcome unknown", { timeout: 30_000 }, async () => {
  const failing = await RealBridge.start("--fault", "reset=before,path=/stdin");
  const other = connect({ url: failing.url, tokenFile: failing.tokenFile });
  const lost = other.session("client test: lost input");
  try {
    assert.equal(await kind(lost.run("cat", { stdin: "text" })), "interrupted");
    assert.equal((await lost.run("pgrep -x cat || true")).stdout, "");
  } finally {
    await lost.destroy();
    await other.close();
    await failing.stop();
  }
});
