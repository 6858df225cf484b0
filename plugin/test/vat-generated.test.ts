import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const plugin = fileURLToPath(new URL("..", import.meta.url));

for (const [schema, folder, pointers] of [
  ["../schema/sandbox-rpc.capnp", "src/capnp/generated", "../pointers.ts"],
  ["../test/vat-server/vat-test.capnp", "test/support/generated", "../../../src/capnp/pointers.ts"],
] as const) {
  test(`the classes in ${folder} are those of ${schema}`, () => {
    const output = mkdtempSync(join(tmpdir(), "sandbridge-generated-"));
    try {
      execFileSync("node", ["src/capnp/generate.mjs", schema, output, pointers], { cwd: plugin });
      const name = `${schema.split("/").at(-1)?.replace(".capnp", "")}.ts`;
      assert.equal(readFileSync(join(output, name), "utf8"), readFileSync(join(plugin, folder, name), "utf8"),
        "run `npm run generate`");
    } finally {
      rmSync(output, { recursive: true });
    }
  });
}
