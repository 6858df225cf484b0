// Generates generated/*.ts from a schema: `npm run generate`, or
//
//   node src/capnp/generate.mjs SCHEMA OUTPUT_DIR POINTERS_MODULE
//
// Needs Debian's `capnproto` package. What it writes is committed, so that users need neither. Mends three faults of
// the generator of capnp-es 0.0.16:
// - for `-> stream` it imports a module that is not shipped and declares StreamResult once for each use;
// - a server's `readonly target` hides the field of its base class;
// - a capability field that is not set reads as the first capability of the message.
// And says `override` and leaves out what is undefined, for the compiler's strict options.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const plugin = resolve(here, "../..");
const [
  schema = join(plugin, "../schema/sandbox-rpc.capnp"),
  output = join(here, "generated"),
  pointers = "../pointers.ts",
] = process.argv.slice(2);

const name = basename(schema, ".capnp");
const work = mkdtempSync(join(tmpdir(), "sandbridge-generate-"));
let source;
try {
  copyFileSync(schema, join(work, `${name}.capnp`));
  execFileSync(join(plugin, "node_modules/.bin/capnp-es"), [`${name}.capnp`, "-ots"], {
    cwd: work,
    stdio: ["ignore", "ignore", "inherit"],
  });
  source = readFileSync(join(work, `${name}.ts`), "utf8");
} finally {
  rmSync(work, { recursive: true });
}

const mend = (pattern, replacement, what) => {
  const mended = source.replace(pattern, replacement);
  if (mended === source) throw new Error(`capnp-es writes ${what} in another way: look at ${name}.ts again`);
  source = mended;
};

if (source.includes("capnp-es/capnp/stream")) {
  mend(/^import \{ StreamResult \}.*\n/m, "", "the import of StreamResult");
  for (const className of ["StreamResult", "StreamResult$Promise"]) {
    const declarations = new RegExp(
      `(?:/\\*\\*(?:(?!\\*/)[\\s\\S])*\\*/\\n)?export class ${className.replace("$", "\\$")}(?: extends [^\\n]*)? \\{[\\s\\S]*?\\n\\}\\n`, "g");
    let seen = 0;
    source = source.replace(declarations, (one) => (seen++ === 0 ? one.replace(/^\/\*\*[\s\S]*?\*\/\n/, "") : ""));
    if (seen === 0) throw new Error(`capnp-es writes no ${className} any more`);
  }
}
mend(/^  readonly target: /gm, "  declare readonly target: ", "a server's target");
mend(/^  static readonly _capnp /gm, "  static override readonly _capnp ", "a class' _capnp");
mend(/^  toString\(\)/gm, "  override toString()", "toString");
mend(/^      paramsFunc: paramsFunc$/gm, "      ...(paramsFunc && { paramsFunc })", "a call");
mend(
  /get (\w+)\(\): (\S+\$Client) \{\n    return new \S+\(\$\.utils\.getInterfaceClientOrNullAt\((\d+), this\)\);\n  \}\n  set \w+\(value: \S+\) \{\n    (.*)\n  \}/g,
  (_, field, type, index, set) => `get ${field}(): ${type} | null {
    const client = capabilityField(${index}, this);
    return client ? new ${type}(client) : null;
  }
  set ${field}(value: ${type} | null) {
    if (value) ${set}
    else $.utils.erase($.utils.getPointer(${index}, this));
  }`,
  "a capability's getter",
);
if (source.includes("getInterfaceClientOrNull")) throw new Error("a capability's getter was not mended");
mend(/^\/\/.*\nimport \* as \$ from "capnp-es";\n/, `// Generated from ${name}.capnp by generate.mjs; do not edit.
import * as $ from "capnp-es";
import { capabilityField } from "${pointers}";
`, "its first lines");

mkdirSync(output, { recursive: true });
writeFileSync(join(output, `${name}.ts`), source.replace(/[ \t]+$/gm, ""));
