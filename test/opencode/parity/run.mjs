// Plays every case on both sides and reports each difference.
//
//   node run.mjs [--lanes N] [--json FILE] [--cases FILE] [CASE-OR-GROUP...]
//
// Without names, all but the random calls, which test/tools makes. --cases: those of FILE instead (random.mjs makes some).
// N (2) pairs of installations share the cases. --json: FILE gets all that was seen of the cases that are not as they should be.
// Exit code 0: no case differs but those of exceptions.mjs, and these all do.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { groupOf, isRandom, loadCases } from "./cases.mjs";
import { differences } from "./compare.mjs";
import { exceptions } from "./exceptions.mjs";
import { Player } from "./play.mjs";
import { HostSide, SandboxSide } from "./sides.mjs";

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    lanes: { type: "string", default: "2" },
    json: { type: "string" },
    cases: { type: "string" },
    times: { type: "boolean" },
  },
});
const all = loadCases(options.cases);
const isWanted = (one) => wanted.includes(one.id) || wanted.includes(groupOf(one));
const cases = all.filter(wanted.length === 0 ? (one) => !isRandom(one) : isWanted);
if (cases.length === 0) {
  console.error(`there is no case or group called ${wanted.join(", ")}`);
  process.exit(2);
}

// An aborted tool has 250 ms for its result, OpenCode says. On a busy machine a command may be slower than that to end, on either
// side: what tells nothing is played again. What is wrong is wrong each time.
const ABORTS_PLAYED = 5;

const results = [];
const waiting = [...cases];
const lanes = await Promise.allSettled(Array.from({ length: Number(options.lanes) }, playSome));
const broken = lanes.filter(({ status }) => status === "rejected").map(({ reason }) => reason);
for (const error of broken) console.log("a lane broke off:", error);

async function playSome() {
  const starting = await Promise.allSettled([HostSide.start(), SandboxSide.start()]);
  const sides = starting.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
  try {
    for (const { reason } of starting) if (reason) throw reason;
    const players = sides.map((side) => new Player(side));
    for (let one; (one = waiting.shift()); ) results.push(await compare(one, players));
  } finally {
    await Promise.all(sides.map((side) => side.stop()));
  }
}

async function compare(one, players) {
  const reason = exceptions[one.id];
  const started = Date.now();
  let host, sandbox, failed, found, ok;
  for (let left = one.abort_after_s === undefined ? 1 : ABORTS_PLAYED; left > 0; left--) {
    [host, sandbox] = await Promise.allSettled(players.map((player) => player.play(one)));
    failed = [host, sandbox].filter(({ status }) => status === "rejected");
    found = failed.length > 0 ? failed.map((side) => side.reason.stack) : differences(one, host.value, sandbox.value);
    ok = failed.length === 0 && found.length > 0 === (reason !== undefined);
    if (ok || failed.length > 0) break;
  }
  if (options.times) console.log(`${one.id}: ${Date.now() - started} ms`);
  if (!ok) {
    const what = failed.length > 0 ? "could not be played" : reason ? `no longer differs, though it is listed: ${reason}` : "differs";
    console.log([`${one.id} ${what}`, ...found].join("\n  "));
  }
  return { id: one.id, ok, reason, differences: found, ...(!ok && { host: host.value, sandbox: sandbox.value }) };
}

const groups = new Map();
for (const one of cases) groups.set(groupOf(one), { equal: 0, meant: 0, wrong: 0 });
for (const { id, ok, reason } of results) groups.get(groupOf({ id }))[!ok ? "wrong" : reason ? "meant" : "equal"]++;
console.log("\ngroup          equal  different on purpose  wrong");
for (const [name, { equal, meant, wrong }] of groups) {
  console.log(`${name.padEnd(14)} ${String(equal).padStart(5)} ${String(meant).padStart(21)} ${String(wrong).padStart(6)}`);
}
if (options.json) writeFileSync(options.json, JSON.stringify(results, undefined, 1));
const passed = results.filter(({ ok }) => ok).length;
console.log(`\n# pass ${passed}\n# fail ${cases.length - passed}`);
process.exitCode = passed < cases.length || broken.length > 0 ? 1 : 0;
