// Files that the user attaches to a prompt. OpenCode reads them on its own machine; the model gets those of the sandbox.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, describe, test } from "node:test";
import { World } from "./world.mjs";

const HOST_IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/** Another one. */
const IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGMQUDAAIgYIBQAKDgGBVjPu8wAAAABJRU5ErkJggg==";
const NOTE = "(Files are attached from this session's sandbox, not from the machine that OpenCode runs on.)";

describe("files attached to a prompt of a real OpenCode", () => {
  let world, opencode, session;
  before(async () => {
    world = await World.start({ options: { connectTimeoutMs: 2_000 } });
    opencode = world.opencode;
    for (const name of ["both.txt", "host.txt", "lines.txt"]) writeFileSync(join(world.host, name), "a secret of the host\n");
    for (const name of ["both.png", "host.png"]) writeFileSync(join(world.host, name), Buffer.from(HOST_IMAGE, "base64"));
    mkdirSync(join(world.host, "folder"));
    writeFileSync(join(world.host, "folder/a secret of the host"), "");
    session = await opencode.newSession();
    await world.inSandbox(
      session,
      `echo of the sandbox > both.txt; printf '1\\n2\\n3\\n' > lines.txt; echo ${IMAGE} | base64 -d > both.png;
       mkdir folder; touch folder/inside; echo only here > sandbox.txt; echo sandbox-name > /etc/hostname`,
    );
  });
  after(() => world?.stop());

  const file = (path, mime = "text/plain", query = "") => {
    const absolute = join(world.host, path);
    return { type: "file", mime, url: pathToFileURL(absolute).href + query, filename: basename(path) };
  };

  /** Sends the files with a prompt, and returns what the model got beside the prompt, as text or the data URL of an image. */
  async function attach(...files) {
    return await attachIn(session, ...files);
  }

  async function attachIn(session, ...files) {
    const prompt = { type: "text", text: 'SCRIPT:[{"text":"seen"}]' };
    const model = { providerID: "scripted", modelID: "stand-in" };
    const answer = await opencode.request("POST", `/session/${session}/message`, { model, parts: [prompt, ...files] });
    assert.deepEqual(answer.parts.filter(({ type }) => type === "text").map(({ text }) => text), ["seen"]);
    return got(session);
  }

  function got() {
    const { messages } = world.requests().findLast(({ tools }) => tools?.length);
    const content = messages.findLast(({ role }) => role === "user").content;
    if (typeof content === "string") return [];
    return content.map((part) => part.text ?? part.image_url.url).filter((text) => !text.startsWith("SCRIPT:"));
  }

  const called = (args) => `Called the Read tool with the following input: ${JSON.stringify(args)}`;
  const content = (path, text) => `<path>${path}</path>\n<type>file</type>\n<content>\n${text}\n</content>`;

  function assertNothingOfTheHost() {
    const sent = JSON.stringify(world.requests());
    assert.doesNotMatch(sent, /a secret of the host/);
    assert.ok(!sent.includes(HOST_IMAGE.slice(0, 90)), "the host's image was sent");
  }

  test("the sandbox's file of the same path takes the place of the host's, in OpenCode's words", async () => {
    assert.deepEqual(await attach(file("both.txt")), [
      called({ filePath: "/workspace/both.txt" }),
      content("/workspace/both.txt", "1: of the sandbox\n\n(End of file - total 1 lines)"),
    ]);
    assertNothingOfTheHost();
  });

  test("a range of lines is that range of the sandbox's file", async () => {
    const [call, text] = await attach(file("lines.txt", "text/plain", "?start=2&end=2"));
    assert.equal(call, called({ filePath: "/workspace/lines.txt", offset: 2, limit: 1 }));
    assert.match(text, /<content>\n2: 2\n/);
    assert.doesNotMatch(text, /1: 1|3: 3/);
  });

  test("a file that only the sandbox has is attached, one that only the host has is not", async () => {
    const parts = await attach(file("sandbox.txt"), file("host.txt"));
    assert.deepEqual(parts, [
      called({ filePath: "/workspace/sandbox.txt" }),
      content("/workspace/sandbox.txt", "1: only here\n\n(End of file - total 1 lines)"),
      "Read tool failed to read /workspace/host.txt with the following error: File not found: /workspace/host.txt " + NOTE,
    ]);
    assertNothingOfTheHost();
  });

  test("a path outside of OpenCode's directory is the same path in the sandbox", async () => {
    const hostname = { type: "file", mime: "text/plain", url: "file:///etc/hostname", filename: "hostname" };
    assert.deepEqual(await attach(hostname), [
      called({ filePath: "/etc/hostname" }),
      content("/etc/hostname", "1: sandbox-name\n\n(End of file - total 1 lines)"),
    ]);
    const token = { type: "file", mime: "text/plain", url: pathToFileURL(world.tokenFile).href, filename: "token" };
    const [note] = await attach(token);
    assert.ok(note.startsWith(`Read tool failed to read ${world.tokenFile} `), note);
    assert.ok(!JSON.stringify(world.requests()).includes(readFileSync(world.tokenFile, "utf8").trim()));
  });

  test("a directory is the sandbox's", async () => {
    const [call, text] = await attach(file("folder", "application/x-directory"));
    assert.equal(call, called({ filePath: "/workspace/folder" }));
    assert.match(text, /<entries>\ninside\n/);
    assertNothingOfTheHost();
  });

  for (const mime of ["image/png", "text/plain"]) {
    test(`an image is the sandbox's, sent as ${mime}`, async () => {
      const [call, text, image, ...rest] = await attach(file("both.png", mime));
      assert.equal(call, called({ filePath: "/workspace/both.png" }));
      assert.equal(text, "Image read successfully");
      assert.equal(image, `data:image/png;base64,${IMAGE}`);
      assert.deepEqual(rest, []);
      const [note, ...more] = await attach(file("host.png", mime));
      assert.match(note, /^Read tool failed to read \/workspace\/host.png .*File not found/);
      assert.deepEqual(more, []);
      assertNothingOfTheHost();
    });
  }

  test("what the user pasted, which no file of the host is behind, stays", async () => {
    const image = { type: "file", mime: "image/png", url: `data:image/png;base64,${IMAGE}`, filename: "pasted.png" };
    const text = { type: "file", mime: "text/plain", url: `data:text/plain;base64,${btoa("pasted")}`, filename: "p.txt" };
    assert.deepEqual(await attach(text, image), [called({ filePath: "p.txt" }), "pasted", image.url]);
  });

  test("the user sees the prompt and its files in their order", async () => {
    const session = await opencode.newSession();
    await world.inSandbox(session, "echo one > both.txt");
    await attachIn(session, file("both.txt"), file("host.txt"));
    const [{ parts }] = await opencode.messages(session);
    assert.deepEqual(
      parts.map(({ type, synthetic, url }) => url ?? (synthetic ? "synthetic" : type)),
      ["text", "synthetic", "synthetic", "file:///workspace/both.txt", "synthetic"],
    );
  });

  test("`opencode run -f` attaches the sandbox's files", async () => {
    const file = join(world.host, "host.txt");
    const { code, stderr } = await world.opencodeRun('SCRIPT:[{"text":"seen"}]', "-f", file);
    assert.equal(code, 0, stderr);
    assert.match(got()[0], /^Read tool failed to read \/workspace\/host.txt /);
    assertNothingOfTheHost();
  });

  test("with the bridge down nothing is attached, and the model is told", async () => {
    await world.bridge.stop();
    const parts = await attach(file("both.txt"), file("both.png", "image/png"));
    assert.equal(parts.length, 2);
    for (const part of parts) assert.match(part, /^Read tool failed to read .* The sandbox cannot be reached/);
    assertNothingOfTheHost();
    rmSync(join(world.host, "both.txt"));
  });
});
