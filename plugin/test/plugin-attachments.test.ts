// What becomes of the files of OpenCode's machine that stand in a prompt. With a real OpenCode: test/opencode/attachments.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pathsOf, replaceHostFiles } from "../src/hooks/chat-message.ts";
import { refuseEverything } from "../src/host/refuse.ts";

type Parts = Parameters<typeof replaceHostFiles>[0];

let made = 0;
const part = (body: object): Parts[number] =>
  ({ id: `prt_${++made}`, sessionID: "s", messageID: "m", ...body }) as unknown as Parts[number];
const synthetic = (text: string) => part({ type: "text", synthetic: true, text });
const called = (path: string) => synthetic(`Called the Read tool with the following input: {"filePath":"${path}"}`);
const file = (mime: string, url: string, more: object = {}) => part({ type: "file", mime, url, filename: "f", ...more });

/** Every form in which OpenCode 1.18.33 puts a file of its machine. */
const forms: Record<string, () => Parts> = {
  text: () => [called("/h/f"), synthetic("<path>/h/f</path>SECRET"), file("text/plain", "file:///h/f")],
  "text that looks like a failure": () => [called("/h/f"), synthetic("x\nRead tool failed SECRET"), file("text/plain", "FILE:///h/f")],
  directory: () => [called("/h/f"), synthetic("<entries>\nSECRET"), file("application/x-directory", "file:///h/f")],
  binary: () => [called("/h/f"), file("image/png", "data:image/png;base64,SECRET")],
  "binary with a path that is not JSON inside": () => [called('/h/"f\\'), file("a/b", "data:a/b;base64,SECRET")],
  attachments: () => [
    called("/h/f"),
    synthetic("Image read successfully"),
    file("image/png", "data:image/png;base64,SECRET", { synthetic: true }),
    file("text/plain", "data:text/plain;base64,SECRET", { synthetic: true }),
  ],
  "failed file": () => [called("/h/f"), synthetic("Read tool failed to read /h/f with the following error: SECRET")],
  "failed directory": () => [synthetic("Read tool failed to read /h/f with the following error: SECRET")],
};

for (const [form, make] of Object.entries(forms)) {
  test(`a plugin that could not start leaves one note of a file (${form}), and the rest of the prompt`, async () => {
    const [before, after] = [part({ type: "text", text: "see" }), file("image/png", "data:image/png;base64,pasted")];
    const parts = [before, ...make(), after, ...make()];
    const hook = refuseEverything("no reason", ["/h"])["chat.message"];
    await hook?.({ sessionID: "s" }, { parts } as unknown as Parameters<NonNullable<typeof hook>>[1]);
    assert.equal(parts.length, 4);
    assert.deepEqual([parts[0], parts[2]], [before, after]);
    assert.doesNotMatch(JSON.stringify(parts), /SECRET/);
    assert.match(JSON.stringify(parts[1]), /Read tool failed to read .*opencode-sandbridge could not start.*no reason/);
  });
}

test("the parts of a replaced file keep their place among the ids", async () => {
  const parts = [...(forms["failed file"] as () => Parts)(), part({ type: "text", text: "after" })];
  await replaceHostFiles(parts, (path) => path, () =>
    Promise.resolve({ failed: false, title: "", output: "content", metadata: {}, attachments: [] }));
  assert.equal(parts.length, 4);
  const ids = parts.map(({ id }) => id);
  assert.deepEqual(ids, [...ids].sort());
  assert.equal(new Set(ids).size, 4);
});

test("OpenCode's directory is the workspace; every other path is the same in the sandbox", () => {
  const toSandbox = pathsOf(["/home/u/project"]);
  assert.equal(toSandbox("/home/u/project/src/a b.ts"), "/workspace/src/a b.ts");
  assert.equal(toSandbox("/home/u/project"), "/workspace");
  assert.equal(toSandbox("src/a.ts"), "/workspace/src/a.ts");
  assert.equal(toSandbox("/home/u/project-2/a"), "/home/u/project-2/a");
  assert.equal(toSandbox("/home/u/project/../a"), "/home/u/project/../a");
  assert.equal(toSandbox("/home/u/project/..a"), "/workspace/..a");
  assert.equal(toSandbox("/workspace/a"), "/workspace/a");
});
