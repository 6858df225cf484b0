// What README.md says of the differences from OpenCode's own tools.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { loadCases } from "./parity/cases.mjs";
import { exceptions, table } from "./parity/exceptions.mjs";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

test("README lists the differences that the parity cases show, and no others", () => {
  const [, listed] = /<!-- test\/opencode\/parity\/exceptions.mjs -->\n((?:\|.*\n)+)/.exec(readme) ?? [];
  assert.equal(listed, table());
});

test("each listed difference is shown by a case", () => {
  const ids = new Set(loadCases().map(({ id }) => id));
  for (const id of Object.keys(exceptions)) assert.ok(ids.has(id), id);
});
