// The questions of `bash`, against those that OpenCode 1.18.33 was seen to ask (data/bash-questions.jsonl).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { test } from "node:test";
import type { Question } from "../src/client/types.ts";
import { bashQuestions, type Surroundings } from "../src/tools/bash-questions.ts";

interface Case {
  id: string;
  args: { command: string; workdir?: string };
  asked: Question[];
}

/** What there was on the machine where the questions were recorded. */
const DIRECTORIES = new Set(["/", "/etc", "/tmp", "/tmp/opencode", "/home/sandbox", "/outside", "/outside/sub"]);

const surroundings: Surroundings = {
  home: async () => "/home/sandbox",
  areDirectories: async (paths) => paths.map((path) => DIRECTORIES.has(path)),
};

const cases = readFileSync(new URL("data/bash-questions.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line): Case => JSON.parse(line) as Case);

for (const { id, args, asked } of cases) {
  test(`bash asks what OpenCode asks: ${id}`, async () => {
    const cwd = posix.resolve("/workspace", args.workdir ?? "");
    assert.deepEqual(await bashQuestions(args.command, cwd, surroundings), asked);
  });
}

test("the recorded cases are all there", () => assert.equal(cases.length, 37));

test("a command in a directory outside of the workspace raises one question for it", async () => {
  const questions = await bashQuestions("pwd", "/srv", surroundings);
  assert.deepEqual(questions.map((question) => [question.permission, question.patterns]), [
    ["external_directory", ["/srv/*"]],
    ["bash", ["pwd"]],
  ]);
});

test("a thousand commands in one line are parsed without asking the sandbox about paths inside", async () => {
  const command = Array.from({ length: 1000 }, (_, index) => `touch f${index}`).join("; ");
  const questions = await bashQuestions(command, "/workspace", {
    home: () => assert.fail("home was asked for"),
    areDirectories: () => assert.fail("the sandbox was asked"),
  });
  assert.equal(questions[0]?.patterns.length, 1000);
  assert.deepEqual(questions[0]?.always, ["touch *"]);
});
