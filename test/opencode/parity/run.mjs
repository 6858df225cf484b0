// Plays every case on both sides and reports each difference.
//
//   node run.mjs [--json FILE] [CASE-OR-GROUP...]
//
// Exit code 0: no case differs but those of exceptions.mjs, and these all do.
import { writeFileSync } from "node:fs";
import { groupOf, loadCases } from "./cases.mjs";
import { differences } from "./compare.mjs";
import { exceptions } from "./exceptions.mjs";
import { Player } from "./play.mjs";
import { HostSide, SandboxSide } from "./sides.mjs";

const wanted = process.argv.slice(2);
const jsonAt = wanted.indexOf("--json");
const jsonFile = jsonAt < 0 ? undefined : wanted.splice(jsonAt, 2)[1];
if (wanted.includes("--help")) {
  console.log("node run.mjs [--json FILE] [CASE-OR-GROUP...]: plays the cases (default: all) on both sides and reports each difference");
  process.exit(0);
}

const cases = loadCases().filter((one) => wanted.length === 0 || wanted.some((name) => one.id === name || groupOf(one) === name));
if (cases.length === 0) {
  console.error(`there is no case or group called ${wanted.join(", ")}`);
  process.exit(2);
}

const results = [];
const sides = await Promise.all([HostSide.start(), SandboxSide.start()]);
try {
  const players = sides.map((side) => new Player(side));
  for (const one of cases) {
    const [host, sandbox] = await Promise.all(players.map((player) => player.play(one)));
    const found = differences(one, host, sandbox);
    const reason = exceptions[one.id];
    const ok = (found.length > 0) === (reason !== undefined);
    results.push({ id: one.id, ok, reason, differences: found, ...(jsonFile && !ok && { host, sandbox }) });
    if (ok) continue;
    console.log(reason ? `${one.id} no longer differs, though it is listed: ${reason}` : `${one.id} differs:`);
    for (const line of found) console.log(`  ${line}`);
  }
} finally {
  await Promise.all(sides.map((side) => side.stop()));
}

const groups = new Map();
for (const { id, ok, reason } of results) {
  const row = groups.get(groupOf({ id })) ?? { equal: 0, meant: 0, wrong: 0 };
  row[!ok ? "wrong" : reason ? "meant" : "equal"]++;
  groups.set(groupOf({ id }), row);
}
console.log("\ngroup          equal  different on purpose  wrong");
for (const [name, { equal, meant, wrong }] of groups) {
  console.log(`${name.padEnd(14)} ${String(equal).padStart(5)} ${String(meant).padStart(21)} ${String(wrong).padStart(6)}`);
}
if (jsonFile) writeFileSync(jsonFile, JSON.stringify(results, undefined, 1));
const failed = results.filter(({ ok }) => !ok).length;
console.log(`\n${results.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
