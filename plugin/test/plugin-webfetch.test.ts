// What becomes of a page that the sandbox has fetched. Side by side with OpenCode's own: test/opencode/web.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SandboxSession, ToolResult } from "../src/client/types.ts";
import type { CallContext } from "../src/tools/context.ts";
import { definitions, definitionsFor } from "../src/tools/definitions.ts";
import { runWebfetch } from "../src/tools/webfetch-run.ts";
import { providerOf } from "../src/tools/websearch-run.ts";

const context = { sessionID: "s", abort: new AbortController().signal, ask: async () => {} } as unknown as CallContext;

/** What the model gets of a page, and the files that were written. */
async function fetched(page: Partial<ToolResult> & { contentType?: string }, args: object = {}) {
  const { contentType = "text/html; charset=utf-8", ...fields } = page;
  const files = new Map<string, string>();
  const session = {
    tools: {
      call: async () => ({
        failed: false, title: "t", output: "", metadata: { status: 200, contentType, truncated: false }, attachments: [], ...fields,
      }),
    },
    files: { write: async (path: string, text: string) => void files.set(path, text) },
  } as unknown as SandboxSession;
  return { result: await runWebfetch(session, { url: "http://x/", ...args }, context), files };
}

test("HTML becomes Markdown or text, as OpenCode converts it, or stays", async () => {
  const output = "<h1>One</h1><script>no</script><ul><li>a</li></ul><p>b <em>c</em><noscript>d<b>e</b></noscript></p><hr>";
  const of = async (args: object) => (await fetched({ output }, args)).result.output;
  assert.match(await of({}), /^# One\n\n-   a\n\nb \*c\*/);
  assert.match(await of({ format: "markdown" }), /\n\n---$/);
  assert.doesNotMatch(await of({}), /no/);
  assert.equal(await of({ format: "text" }), "Oneab c");
  assert.equal(await of({ format: "html" }), output);
});

test("anything else stays as it came", async () => {
  const { result, files } = await fetched({ output: "<p>x</p>", contentType: "text/plain" }, { format: "markdown" });
  assert.deepEqual(result, { title: "t", output: "<p>x</p>", metadata: { truncated: false } });
  assert.equal(files.size, 0);
});

test("an image is an attachment", async () => {
  const attachments = [{ mime: "image/png", data: new TextEncoder().encode("x"), filename: undefined }];
  const { result } = await fetched({ output: "Image fetched successfully", contentType: "image/png", attachments } as never);
  assert.equal(result.attachments?.[0]?.url, "data:image/png;base64,eA==");
  assert.deepEqual(result.metadata, { truncated: false });
});

test("what is too long is cut at whole lines, and kept whole in the sandbox", async () => {
  const cases: [string, string, string][] = [
    ["x\n".repeat(2001), "x\n".repeat(2000).trimEnd(), "2 lines"],
    ["é".repeat(25_600) + "\ny", "é".repeat(25_600), "2 bytes"],
    ["z".repeat(60_000), "", "60000 bytes"],
  ];
  for (const [output, kept, missing] of cases) {
    const { result, files } = await fetched({ output, contentType: "text/plain" });
    const [[path, text] = []] = files;
    assert.equal(text, output);
    assert.match(path ?? "", /^\/tmp\/\.sandbridge\/output\/tool_[0-9a-f]{32}$/);
    assert.ok(result.output.startsWith(`${kept}\n\n...${missing} truncated...\n\nThe tool call succeeded`), missing);
    assert.ok(result.output.includes(`Full output saved to: ${path}\n`));
    assert.deepEqual(result.metadata, { truncated: true, outputPath: path });
  }
  const { files } = await fetched({ output: "x\n".repeat(1999), contentType: "text/plain" });
  assert.equal(files.size, 0);
});

test("what reaches the web is ours only if the web is reached from the sandbox", () => {
  const added = (web: "host" | "sandbox") => definitionsFor({ web, addTools: [] }).map(({ id }) => id).slice(definitions.length);
  assert.deepEqual(added("host"), ["skill"]);
  assert.deepEqual(added("sandbox"), ["skill", "webfetch", "websearch"]);
});

test("a session searches with the service that OpenCode would give it", () => {
  // Known hashes of FNV-1a, 32 bits: of "" 811c9dc5, of "a" e40c292c, of "foobar" bf9cf968.
  assert.equal(providerOf("", {}), "parallel");
  assert.equal(providerOf("a", {}), "exa");
  assert.equal(providerOf("foobar", {}), "exa");
  assert.equal(providerOf("a", { OPENCODE_EXPERIMENTAL_PARALLEL: "true", OPENCODE_ENABLE_EXA: "1" }), "parallel");
  assert.equal(providerOf("", { OPENCODE_ENABLE_EXA: "1", OPENCODE_ENABLE_PARALLEL: "0" }), "exa");
  assert.equal(providerOf("a", { OPENCODE_WEBSEARCH_PROVIDER: "parallel", OPENCODE_ENABLE_EXA: "1" }), "parallel");
  assert.equal(providerOf("", { OPENCODE_WEBSEARCH_PROVIDER: "other" }), "parallel");
});
