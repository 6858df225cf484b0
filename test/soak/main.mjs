// See run.sh.

import { parseArgs } from "node:util";
import { filesLeft, groups, holdings, moreThan, processesIn, temporaryFiles } from "./leaks.mjs";
import { World } from "./servers.mjs";
import { Session, generator } from "./session.mjs";

const { values } = parseArgs({ options: {
  seed: { type: "string", default: String(Date.now() % 1_000_000) },
  sessions: { type: "string", default: "200" },
  seconds: { type: "string", default: "120" },
} });
const [SEED, SESSIONS, SECONDS] = [values.seed, Number(values.sessions), Number(values.seconds)];
// At once: about as many as two cores carry without everything being late.
const AT_ONCE = 10;
const STEPS = 10;
// Longer than every deadline of the bridge and of the client; what takes longer hangs.
const DEADLINE_MS = 200_000;
// After the last call, what is ending may take so long to be gone.
const SETTLE_MS = 20_000;
const MEMORY_KIB = 24 << 10;
const { connect } = await import("../../plugin/dist/client/index.js");

const KILLS = [[0.2, "bridge"], [0.35, "cloud"], [0.5, "bridge"], [0.65, "cloud"]];
const faults = (seed) => [
  "status=503:SANDBOX_NOT_READY,rate=0.02", "status=503:SANDBOX_UPSTREAM_ERROR,path=/api/v1/,rate=0.01",
  "status=502:CONNECTION_CLOSED,when=after,rate=0.005", "status=504:READ_TIMEOUT,when=after,path=/api/v1/,rate=0.005",
  "status=429,retry-after=1,path=/sandboxes,rate=0.02", "status=500,path=/sandboxes,rate=0.005",
  "reset=before,rate=0.01", "reset=after,rate=0.005", "close=before,rate=0.01", "close=after,rate=0.005",
  // Not of creations and starts, which may take minutes: those would outlast this run.
  "hang=before,path=/api/v1/files,method=GET,rate=0.05,count=1", "hang=after,path=/sandboxes,method=GET,rate=0.05,count=2",
  "cut=100,path=/api/v1/,rate=0.01", "cut=300:reset,path=/api/v1/,rate=0.01", "cut=200:whole,path=/api/v1/,rate=0.005",
  "slow=20000,path=/api/v1/,rate=0.02", "outage=4@15", "outage=3@30:reset",
].flatMap((fault, i) => ["--fault", `${fault},seed=${seed * 100 + i}`]).concat("--latency", "2");

const problems = [];
const examples = new Map();
const steps = new Map();
const effects = [0, 0, 0];
let peak = 0, seenProcesses = 0;
const problem = (text) => {
  problems.push(text);
  console.error(`PROBLEM ${text}`);
};
const report = {
  problem,
  deadlineMs: DEADLINE_MS,
  example: (text) => examples.set(text, (examples.get(text) ?? 0) + 1),
  effect: (count) => effects[Math.min(count, 2)]++,
  count(step, outcome, ms) {
    const row = steps.get(step) ?? { calls: 0, outcomes: {}, ms: [] };
    row.calls++;
    row.outcomes[outcome] = (row.outcomes[outcome] ?? 0) + 1;
    row.ms.push(ms);
    steps.set(step, row);
  },
  /** What is under way, by when it began. */
  underWay: new Map(),
  open: () => connect({ url: world.url, tokenFile: world.tokenFile, name: "soak", connectTimeoutMs: 30_000 }),
};

const world = new World();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
/** Until it says nothing more is left, or the time is over. */
async function settled(left, ms = SETTLE_MS) {
  for (const end = Date.now() + ms; ;) {
    const rest = await left();
    if (rest.length === 0 || Date.now() > end) return rest;
    await pause(250);
  }
}

/** The step that has been under way for longest, when that is long. */
function longest() {
  const [what, since] = [...report.underWay].sort((a, b) => a[1] - b[1])[0] ?? [];
  const seconds = (performance.now() - since) / 1000;
  return seconds > 10 ? `; ${what} for ${seconds.toFixed(0)} s` : "";
}

async function soak() {
  const groupsBefore = groups(false);
  const temporary = temporaryFiles();
  const seed = generator(`${SEED}`).below(1e6);
  let starts = 0;
  await world.start(faults(seed));
  const fresh = { bridge: holdings(world.bridge.pid), cloud: holdings(world.cloud.pid) };
  const began = Date.now();
  const over = () => Date.now() - began > SECONDS * 1000;
  let done = 0, number = 0, stopped = false;

  const killer = (async () => {
    for (const [share, which] of KILLS) {
      while (Date.now() - began < share * SECONDS * 1000 && !stopped) await pause(100);
      if (stopped) return;
      console.log(`${((Date.now() - began) / 1000).toFixed(0)} s: kill -9 ${which}`);
      await world[which].end("SIGKILL");
      await pause(300);
      await world[which].start(...(which === "cloud" ? faults(seed + ++starts) : []));
    }
  })();
  killer.catch(() => {}); // told below
  let middle = 0;
  const watcher = setInterval(() => {
    if (!world.bridge.alive || !world.cloud.alive) return;
    try {
      seenProcesses = Math.max(seenProcesses, processesIn(world.files, [world.bridge.pid, world.cloud.pid]).length);
      const { residentKiB, connections } = holdings(world.bridge.pid);
      peak = Math.max(peak, residentKiB);
      if (middle === 0 && Date.now() - began > SECONDS * 750) middle = residentKiB;
      console.log(`${((Date.now() - began) / 1000).toFixed(0)} s: ${done} of ${SESSIONS} sessions through, bridge ${(residentKiB / 1024).toFixed(1)} MiB, ` +
        `${connections} connections, ${problems.length} problems${longest()}`);
    } catch {
      // It was just killed.
    }
  }, 10_000);

  // Sessions begin over nine tenths of the time, however fast they are.
  const worker = async () => {
    for (;;) {
      const mine = number++;
      if (mine >= SESSIONS || over()) return;
      const start = began + (mine / SESSIONS) * SECONDS * 900;
      if (start > Date.now()) await pause(start - Date.now());
      const session = new Session(`soak-${SEED}-${mine}`, generator(`${SEED}/${mine}`), report);
      await session.live(STEPS, over).catch((error) => problem(`session ${mine}: ${error.stack}`));
      done++;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  stopped = true;
  clearInterval(watcher);
  await killer.catch((error) => problem(`a server did not come back: ${error.message}`));
  console.log(`${((Date.now() - began) / 1000).toFixed(0)} s: ${done} sessions are through; what is left?`);
  for (const which of ["bridge", "cloud"]) {
    if (!world[which].alive) problem(`the ${which} ended by itself: ${world[which].log}`);
  }
  if (problems.length > 0 && (!world.bridge.alive || !world.cloud.alive)) return;

  // Destroyed, or told that it could not be: such a sandbox is not leaked, but its user's to destroy. The faults go on.
  const client = report.open();
  for (const { name } of await settled(() => retry(async () => (await world.sandboxes()).filter((s) => s.status !== "terminated")), 2000)) {
    const id = [...Array(SESSIONS).keys()].map((i) => `soak-${SEED}-${i}`).find((one) => name === `opencode-${one}`);
    if (!id) problem(`a sandbox of nobody: ${name}`);
    else await retry(() => client.session(id).destroy());
  }
  await client.close();

  const left = (what, rest) => rest.forEach((one) => problem(`left: ${what}: ${one}`));
  left("sandbox", (await settled(() => retry(async () => (await world.sandboxes()).filter((s) => s.status !== "terminated"))))
    .map((s) => `${s.name} ${s.status}`));
  left("process in a sandbox", await settled(() => processesIn(world.files, [world.bridge.pid, world.cloud.pid])));
  left("file", await settled(() => filesLeft(world.files).filter((name) => !name.startsWith("sandboxes/"))));
  left("control group", await settled(() => [...groups(true)].filter((group) => !groupsBefore.has(group)), 5000));
  for (const which of ["bridge", "cloud"]) {
    left(which, await settled(() => moreThan(fresh[which], holdings(world[which].pid))));
  }
  // Idle ones are kept for the next call, as many as were once needed at once; each of them has two ends.
  const { connections, residentKiB } = holdings(world.bridge.pid);
  if (connections > 8 * AT_ONCE) problem(`left: ${connections} connections of the bridge`);
  if (residentKiB - fresh.bridge.residentKiB > MEMORY_KIB) problem(`the bridge grew from ${fresh.bridge.residentKiB} to ${residentKiB} KiB`);
  await world.stop();
  left("temporary file", [...temporaryFiles()].filter((name) => !temporary.has(name) && name.includes("soak")));
  if (seenProcesses === 0) problem("no process was ever seen in a sandbox: the search for what is left cannot find any");
  if (done < SESSIONS) problem(`only ${done} of ${SESSIONS} sessions came to their turn`);
  console.log(`bridge: ${fresh.bridge.residentKiB} KiB when fresh, ${middle} in its last quarter, ${residentKiB} at the end, ${peak} at most; ` +
    `${connections} connections kept; up to ${seenProcesses} processes in sandboxes`);
}

async function retry(work) {
  for (let attempts = 0; ; attempts++) {
    try {
      return await work();
    } catch (error) {
      if (attempts === 20) throw error;
      await pause(250);
    }
  }
}

function table() {
  const outcomes = [...new Set([...steps.values()].flatMap((row) => Object.keys(row.outcomes)))];
  const cell = (text, width) => String(text).padStart(width);
  console.log(`\n${"step".padEnd(11)}${cell("calls", 7)}${outcomes.map((o) => cell(o, o.length + 2)).join("")}${cell("p50 ms", 9)}${cell("p99 ms", 9)}${cell("max ms", 9)}`);
  for (const [step, { calls, outcomes: had, ms }] of steps) {
    ms.sort((a, b) => a - b);
    const at = (share) => cell(ms[Math.min(ms.length - 1, Math.floor(share * ms.length))].toFixed(0), 9);
    console.log(step.padEnd(11) + cell(calls, 7) + outcomes.map((o) => cell(had[o] ?? 0, o.length + 2)).join("") + at(0.5) + at(0.99) + at(1));
  }
  console.log(`commands by how often they ran: never ${effects[0]}, once ${effects[1]}, more than once ${effects[2]}`);
  for (const [text, count] of examples) console.log(`  ${count} x ${text}`);
}

console.log(`seed ${SEED} (again: test/soak/run.sh --seed ${SEED}), ${SESSIONS} sessions, ${SECONDS} s`);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void world.stop().finally(() => process.exit(1)));
try {
  await soak();
} catch (error) {
  problem(error.stack);
} finally {
  await world.stop();
}
table();
console.log(problems.length === 0 ? "\n# pass 1\n# fail 0" : `\n${problems.length} problems:\n${problems.join("\n")}\n# pass 0\n# fail 1`);
process.exit(problems.length === 0 ? 0 : 1);
