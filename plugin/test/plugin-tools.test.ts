// The plugin's tools over a session that a test plays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RpcError } from "../src/capnp/errors.ts";
import type { SandboxSession, ToolCallOptions, ToolResult } from "../src/client/types.ts";
import { Family } from "../src/host/family.ts";
import { Results } from "../src/hooks/tool-after.ts";
import { runBash } from "../src/tools/bash-run.ts";
import type { CallContext } from "../src/tools/context.ts";
import { forward } from "../src/tools/forward.ts";
import { LiveMetadata } from "../src/tools/live-metadata.ts";
import { OutputTail } from "../src/tools/output-tail.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function result(fields: Partial<ToolResult>): ToolResult {
  return { failed: false, title: "", output: "", metadata: {}, attachments: [], ...fields };
}

type Call = (name: string, args: object | string, options: ToolCallOptions) => Promise<ToolResult>;

const sessionThat = (call: Call) => ({ tools: { call } }) as unknown as SandboxSession;

function context(fields: Partial<CallContext> = {}): CallContext {
  const given = { sessionID: "s", messageID: "m", callID: "c", abort: new AbortController().signal, ask: async () => {} };
  return { ...given, metadata: () => undefined, ...fields } as unknown as CallContext;
}

/** OpenCode's client, as far as live metadata uses it; `patches` collects what is shown. */
function openCode(patches: unknown[]) {
  const part = { id: "p", type: "tool", callID: "c", state: { status: "running", input: { command: "x" } } };
  return {
    session: { message: async () => ({ data: { parts: [part] } }) },
    _client: {
      patch: async (request: { body: { state: { metadata: unknown } } }) => {
        patches.push(request.body.state.metadata);
        return {};
      },
    },
  } as unknown as ConstructorParameters<typeof LiveMetadata>[0];
}

/** What 1.18.33's `ctx.metadata` returns: something that is neither nothing nor a promise. */
const unrunEffect = () => ({ "~effect/Effect": {} });

test("a result keeps its title, output, metadata and attachments", async () => {
  const session = sessionThat(async () =>
    result({ title: "t", output: "o", metadata: { a: 1 }, attachments: [{ mime: "image/png", data: bytes("x"), filename: "f" }] }),
  );
  assert.deepEqual(await forward(session, "read", {}, context()), {
    title: "t",
    output: "o",
    metadata: { a: 1 },
    attachments: [{ type: "file", mime: "image/png", url: "data:image/png;base64,eA==", filename: "f" }],
  });
});

test("a failed tool throws exactly its text", async () => {
  const session = sessionThat(async () => result({ failed: true, output: "File not found: /x" }));
  await assert.rejects(forward(session, "read", {}, context()), { name: "Error", message: "File not found: /x" });
});

test("a refused question ends the call with the very error that OpenCode threw", async () => {
  const refusal = new Error("no");
  const session = sessionThat(async (_name, _args, { ask }) => {
    await ask?.({ permission: "edit", patterns: [], always: [], metadata: {} });
    return result({});
  });
  const asking = context({ ask: () => Promise.reject(refusal) } as Partial<CallContext>);
  await assert.rejects(forward(session, "edit", {}, asking), (error) => error === refusal);
});

test("what the model reads about a failed call says whether to try again", async () => {
  const failing = (kind: RpcError["kind"]) =>
    forward(sessionThat(() => Promise.reject(new RpcError(kind, "why"))), "read", {}, context());
  await assert.rejects(failing("unavailable"), { message: "The sandbox cannot be reached, so nothing was done: why" });
  await assert.rejects(failing("interrupted"), /may or may not have been carried out.*: why$/);
  await assert.rejects(failing("sandboxLost"), /files are gone.*: why$/);
  await assert.rejects(failing("denied"), { message: "why" });
});

test("bash asks before it calls, and calls nothing when it is refused", async () => {
  let calls = 0;
  const session = sessionThat(async () => {
    calls++;
    return result({ output: "ran" });
  });
  const asked: string[] = [];
  const live = () => new LiveMetadata(openCode([]), context());
  const asking = context({ ask: async ({ permission }) => void asked.push(permission) } as Partial<CallContext>);
  assert.equal((await runBash(session, { command: "ls" }, asking, live())).output, "ran");
  assert.deepEqual(asked, ["bash"]);
  const refusing = context({ ask: () => Promise.reject(new Error("no")) } as Partial<CallContext>);
  await assert.rejects(runBash(session, { command: "ls" }, refusing, live()), /^Error: no$/);
  assert.equal(calls, 1);
});

test("bash without a command asks nothing: the bridge says what is wrong with it", async () => {
  const session = sessionThat(async (name, args) => result({ failed: true, output: `${name} ${JSON.stringify(args)}` }));
  const silent = context({ ask: () => assert.fail("asked") } as Partial<CallContext>);
  await assert.rejects(runBash(session, { command: 5 }, silent, new LiveMetadata(openCode([]), silent)), {
    message: 'bash {"command":5}',
  });
});

test("the output of a running command is shown, and never after the call's end", async () => {
  const patches: unknown[] = [];
  let calling = context({ metadata: unrunEffect } as Partial<CallContext>);
  const session = sessionThat(async (_name, _args, { onOutput }) => {
    await onOutput?.(bytes("one\n"));
    while (patches.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await onOutput?.(bytes("two\n"));
    return result({ output: "one\ntwo\n" });
  });
  await runBash(session, { command: "x" }, calling, new LiveMetadata(openCode(patches), calling));
  const count = patches.length;
  assert.deepEqual(patches[0], { output: "one\n" });
  await new Promise((resolve) => setTimeout(resolve, 250));
  assert.equal(patches.length, count);
});

test("an OpenCode whose ctx.metadata works is used as documented", async () => {
  const shown: unknown[] = [];
  const patches: unknown[] = [];
  const calling = context({ metadata: ({ metadata }) => void shown.push(metadata) } as Partial<CallContext>);
  const live = new LiveMetadata(openCode(patches), calling);
  live.update(() => ({ output: "x" }));
  await live.close();
  assert.deepEqual([shown, patches], [[{ output: "x" }], []]);
});

test("an aborted command is stopped, and its result is the bridge's", async () => {
  const stop = new AbortController();
  const calling = context({ abort: stop.signal });
  const session = sessionThat(async (_name, _args, { stop: asked, signal }) => {
    stop.abort();
    assert.ok(asked?.aborted && !signal?.aborted, "the command is ended, not the call");
    return result({ output: "all of it" });
  });
  const { output } = await runBash(session, { command: "x" }, calling, new LiveMetadata(openCode([]), calling));
  assert.equal(output, "all of it");
});

test("an aborted command that does not end keeps what it printed, and is not waited for", async () => {
  const stop = new AbortController();
  const calling = context({ abort: stop.signal });
  let ended = (): void => {};
  const session = sessionThat(async (_name, _args, { onOutput }) => {
    await onOutput?.(bytes("part"));
    stop.abort();
    await new Promise<void>((resolve) => (ended = resolve));
    throw new Error("nobody waits for this");
  });
  const { output } = await runBash(session, { command: "x" }, calling, new LiveMetadata(openCode([]), calling));
  assert.equal(output, "part\n\n<shell_metadata>\nUser aborted the command\n</shell_metadata>");
  ended();
});

test("an aborted command whose end is not told keeps what it printed, with OpenCode's note", async () => {
  const stop = new AbortController();
  const calling = context({ abort: stop.signal });
  const session = sessionThat(async (_name, _args, { onOutput }) => {
    await onOutput?.(bytes("part"));
    stop.abort();
    throw stop.signal.reason;
  });
  assert.deepEqual(await runBash(session, { command: "x" }, calling, new LiveMetadata(openCode([]), calling)), {
    title: "x",
    output: "part\n\n<shell_metadata>\nUser aborted the command\n</shell_metadata>",
    metadata: { output: "part", exit: null, truncated: false },
  });
});

test("the tail of long output is cut at lines, where OpenCode cuts it, in bounded memory", () => {
  const tail = new OutputTail();
  for (let line = 0; line < 100_000; line++) tail.push(bytes(`line ${line}\n`));
  const { text, cut } = tail.kept();
  assert.ok(cut && Buffer.byteLength(text) <= 51_200 && text.split("\n").length === 2_000);
  assert.match(text, /^line \d+\n/);
  assert.match(text, /\nline 99999\n$/);
  assert.equal(tail.shown().length, 30_005);
  assert.ok(tail.shown().startsWith("...\n\n"));
});

test("one endless line is cut at its beginning", () => {
  const tail = new OutputTail();
  tail.push(bytes("é".repeat(60_000)));
  const { text, cut } = tail.kept();
  assert.ok(cut && Buffer.byteLength(text) === 51_200);
  assert.match(text, /^é+$/);
});

test("a character that is cut by the border of two chunks is whole", () => {
  const tail = new OutputTail();
  const euro = bytes("€");
  tail.push(euro.subarray(0, 1));
  tail.push(euro.subarray(1));
  assert.deepEqual([tail.shown(), tail.kept()], ["€", { text: "€", cut: false }]);
});

test("a result that OpenCode would cut reaches it behind the cut, with what the tool says of its length", async () => {
  const results = new Results();
  const long = { title: "t", output: "x\n".repeat(3_000), metadata: { truncated: true, count: 1 } };
  const given = results.keep("call-1", long);
  assert.ok(given.output.length < 200);
  // What OpenCode makes of it.
  const output = { title: given.title, output: given.output, metadata: { ...given.metadata, truncated: false } };
  await results.hook({ tool: "grep", sessionID: "s", callID: "call-1", args: {} }, output);
  assert.deepEqual(output, long);
});

test("a short result is passed on as it is, and the results of other plugins' tools are left alone", async () => {
  const results = new Results();
  const short = { title: "t", output: "x", metadata: { truncated: true } };
  assert.equal(results.keep("call-1", short), short);
  const other = { title: "o", output: "other", metadata: { truncated: false } };
  await results.hook({ tool: "other", sessionID: "s", callID: "call-2", args: {} }, other);
  assert.deepEqual(other, { title: "o", output: "other", metadata: { truncated: false } });
});

test("of calls that never came back for their results, few are kept", async () => {
  const results = new Results();
  for (let call = 0; call < 1_000; call++) results.keep(`call-${call}`, { title: "", output: "x", metadata: {} });
  const output = { title: "", output: "untouched", metadata: {} };
  await results.hook({ tool: "bash", sessionID: "s", callID: "call-0", args: {} }, output);
  assert.equal(output.output, "untouched");
});

const familyOf = (parents: Record<string, string | undefined>) =>
  new Family({
    session: {
      get: async ({ path }: { path: { id: string } }) =>
        path.id in parents ? { data: { parentID: parents[path.id] } } : { error: "not found" },
    },
  } as unknown as ConstructorParameters<typeof Family>[0]);

test("the sandbox belongs to the session at the top of the family", async () => {
  const family = familyOf({ root: undefined, child: "root", grandchild: "child" });
  assert.equal(await family.rootOf("grandchild"), "root");
  assert.equal(await family.rootOf("root"), "root");
  assert.ok(family.knows("child"));
});

test("a session that OpenCode does not know, and parents in a circle, are errors, not sandboxes", async () => {
  await assert.rejects(familyOf({}).rootOf("none"), /does not know the session none/);
  await assert.rejects(familyOf({ a: "b", b: "a" }).rootOf("a"), /in a circle/);
});
