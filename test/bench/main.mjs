// The rows in their order, the table, and the file with every sample.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { relative } from "node:path";
import { parseArgs } from "node:util";
import { bash, bashAtDistance, edit, parallel } from "./calls.mjs";
import { reads, transfer } from "./files.mjs";
import { sessions } from "./sessions.mjs";
import { firstCall, start } from "./starts.mjs";
import { print } from "./table.mjs";
import { ROOT, World } from "./world.mjs";

const ROWS = {
  "bash": bash, "bash-latency": bashAtDistance, edit, parallel, reads, transfer, sessions, "first-call": firstCall, start,
};

const { values: options } = parseArgs({ options: { quick: { type: "boolean" }, rows: { type: "string" } } });
const names = options.rows?.split(",") ?? Object.keys(ROWS);
for (const name of names) if (!(name in ROWS)) throw new Error(`there is no row ${name}: ${Object.keys(ROWS).join(" ")}`);

const git = (...args) => execFileSync("git", ["-C", ROOT, ...args], { encoding: "utf8" }).trim();
const report = {
  startedAt: new Date().toISOString(),
  commit: git("rev-parse", "HEAD"),
  changed: git("status", "--porcelain") !== "",
  machine: {
    cpu: cpus()[0].model, cores: cpus().length, kernel: release(), loadBefore: loadavg()[0],
    memory: /MemTotal:\s*(.*)/.exec(readFileSync("/proc/meminfo", "utf8"))[1],
  },
  node: process.version,
  quick: options.quick === true,
  rows: [],
};

const world = new World();
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    await world.close();
    process.exit(1);
  });
}
try {
  for (const name of names) {
    const begin = performance.now();
    const rows = await ROWS[name](world, options.quick === true);
    report.rows.push(...rows);
    const seconds = ((performance.now() - begin) / 1000).toFixed(0);
    for (const row of rows) process.stderr.write(`${name}: ${row.sandbridge.toFixed(2)} ${row.unit} (${seconds} s)\n`);
  }
} finally {
  await world.close();
}
report.machine.loadAfter = loadavg()[0];

print(report);
const directory = `${ROOT}/build/bench`;
mkdirSync(directory, { recursive: true });
const file = `${directory}/${report.startedAt.replaceAll(":", "-")}.json`;
writeFileSync(file, `${JSON.stringify(report, null, 1)}\n`);
console.log(`\nEvery sample is in ${relative(process.cwd(), file)}`);
