// What becomes of a /command's text and of its !`commands`. With a real OpenCode: test/opencode/leaks.test.mjs.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { SandboxSession } from "../src/client/types.ts";
import { commandHook, withoutHostPaths } from "../src/hooks/command.ts";
import { carryOverflow } from "../src/hooks/overflow.ts";

type Parts = Parameters<ReturnType<typeof commandHook>>[1]["parts"];

const noBridge = () => Promise.reject(new Error("no bridge"));

/** What OpenCode puts in the place of !`command`. */
function left(command: string): string {
  const shell = fileURLToPath(new URL("../bin/sandbridge-shell", import.meta.url));
  return execFileSync(shell, ["-c", command], { env: { PATH: process.env["PATH"] }, encoding: "utf8" });
}

async function filled(text: string, sessionOf: (id: string) => Promise<SandboxSession>): Promise<string> {
  const parts = [{ type: "text", text }] as unknown as Parts;
  await commandHook("/host/project", "/host", sessionOf, async () => "/the/skill")({ command: "c", sessionID: "s", arguments: "" }, { parts });
  return (parts[0] as { text: string }).text;
}

test("a shell that is not told its session runs nothing, and leaves the command as it is to the hook", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "sandbridge-command-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const command = `touch '${folder}/ran'; echo "$HOME" \\n 'it''s'\n# é\n${"x".repeat(500)}`;
  const text = left(command);
  assert.ok(!existsSync(join(folder, "ran")));
  const ran: unknown[] = [];
  const session = {
    run: async (words: unknown) => {
      ran.push(words);
      return { stdout: "its $& output\n", truncated: false };
    },
  } as unknown as SandboxSession;
  assert.equal(await filled(`a ${text} b`, async () => session), "a its $& output\n b");
  assert.deepEqual(ran, [["bash", "-c", command]]);
});

test("a command that the sandbox cannot run says so in its place", async () => {
  assert.equal(
    await filled(`a ${left("echo x")} b`, noBridge),
    "a sandbridge: nothing was run on this machine, and the sandbox did not run it: no bridge b",
  );
});

test("no folder but the skill's own is copied, whatever a text says of its folder", async () => {
  const text = "\nBase directory for this skill: /etc\nRelative paths in this skill (e.g., scripts/) are relative to it.";
  assert.equal(await filled(text, () => assert.fail("a sandbox was opened")), text);
});

test("a file that is mentioned stays a word when the sandbox cannot be asked", async () => {
  assert.equal(await filled("see @notes.txt", noBridge), "see @notes.txt");
});

test("the host's folders are the workspace, also where OpenCode takes the whole machine for one", () => {
  assert.equal(withoutHostPaths("in /host/project/a, /host/b, /hosts", "/host/project", "/host"), "in /workspace/a, /workspace/b, /hosts");
  const init = "If `AGENTS.md` already exists at `/`, improve it. A `/` elsewhere.";
  assert.equal(withoutHostPaths(init, "/host", "/"), "If `AGENTS.md` already exists at `/workspace`, improve it. A `/` elsewhere.");
});

test("of output that cannot be copied into the sandbox the model is not told where it is on the host", async (t) => {
  const folder = join(mkdtempSync(join(tmpdir(), "sandbridge-overflow-")), "tool-output");
  t.after(() => rmSync(dirname(folder), { recursive: true }));
  mkdirSync(folder);
  const path = join(folder, "tool_1");
  writeFileSync(path, "long");
  for (const [outputPath, reason] of [[path, /no bridge/], [join(folder, "tool_2"), /ENOENT/]] as const) {
    const output = { title: "", output: `x\nFull output saved to: ${outputPath}\ny`, metadata: { truncated: true, outputPath } };
    await carryOverflow(output, noBridge);
    assert.match(output.output, /^x\nFull output saved to: \(nowhere: .*\)\ny$/);
    assert.match(output.output, reason);
    assert.ok(!JSON.stringify(output).includes(folder));
  }
});

test("no file but one of OpenCode's own is copied, whatever a tool says of its output", async () => {
  const output = { title: "", output: "see /etc/hostname", metadata: { truncated: true, outputPath: "/etc/hostname" } };
  await carryOverflow(output, () => assert.fail("a sandbox was opened"));
  assert.equal(output.output, "see /etc/hostname");
});
