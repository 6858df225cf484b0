// File traffic: many small reads, and one large file both ways.

import { cpuSeconds, median, peakMiB, residentMiB, resetPeak, time } from "./measure.mjs";

const IN_FLIGHT = 64;
const SMALL = 1000;
const LARGE_MIB = 256;

/** Runs `work` so many times, so many at once. */
async function repeat(times, work) {
  let left = times;
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    while (left-- > 0) await work();
  }));
}

export async function reads(world, quick) {
  const place = await world.place(0);
  const path = "/workspace/bench-small";
  await place.session.files.write(path, "x".repeat(SMALL));
  const check = (bytes) => {
    if (bytes.length !== SMALL) throw new Error(`${bytes.length} bytes came`);
  };
  const works = {
    official: async () => check(await place.official.readFile(path)),
    sandbridge: async () => check(await place.session.files.read(path)),
  };
  const calls = quick ? 200 : 10_000;
  const samples = { official: [], sandbridge: [], bridgeMicros: [], cloudMicros: [], clientMicros: [] };
  for (const work of Object.values(works)) await repeat(calls / 10, work);
  for (let round = 0; round < (quick ? 1 : 3); round++) {
    for (const [name, work] of Object.entries(works)) {
      const before = { bridge: cpuSeconds(place.bridgePid), cloud: cpuSeconds(place.cloudPid), self: process.cpuUsage() };
      const ms = await time(() => repeat(calls, work));
      samples[name].push(calls / ms * 1000);
      if (name !== "sandbridge") continue;
      const self = process.cpuUsage(before.self);
      samples.bridgeMicros.push((cpuSeconds(place.bridgePid) - before.bridge) / calls * 1e6);
      samples.cloudMicros.push((cpuSeconds(place.cloudPid) - before.cloud) / calls * 1e6);
      samples.clientMicros.push((self.user + self.system) / calls);
    }
  }
  const bridge = median(samples.bridgeMicros);
  return [{
    what: `reads of 1 kB, ${IN_FLIGHT} in flight`, unit: "calls/s", samples,
    official: median(samples.official), sandbridge: median(samples.sandbridge), target: "", reached: undefined,
    details: `the processors share client, bridge, cloud and sandbox: CPU a call ${bridge.toFixed(0)} µs in the bridge, ` +
      `${median(samples.cloudMicros).toFixed(0)} µs in the cloud, ${median(samples.clientMicros).toFixed(0)} µs in the client`,
  }, {
    what: "the same by one full bridge core", unit: "calls/s", sandbridge: 1e6 / bridge,
    target: ">= 10000", reached: 1e6 / bridge >= 10_000,
  }];
}

export async function transfer(world, quick) {
  const { session, official, bridgePid, cloudPid } = await world.place(0);
  const mib = quick ? 16 : LARGE_MIB;
  const content = new Uint8Array(mib << 20);
  for (let i = 0; i < content.length; i += 4096) content[i] = i >> 12;
  const path = "/workspace/bench-large";
  const check = (bytes) => {
    if (bytes.length !== content.length || bytes[8192] !== 2) throw new Error("the file came back changed");
  };
  const works = {
    officialWrite: () => official.writeFile(path, content),
    officialRead: async () => check(await official.readFile(path)),
    write: () => session.files.write(path, content),
    read: async () => check(await session.files.read(path, { maxBytes: content.length })),
  };
  const samples = Object.fromEntries(Object.keys(works).map((name) => [name, []]));
  const growth = { write: [], read: [] };
  const micros = { write: [], read: [] };
  await works.write();
  await works.read();
  for (let round = 0; round < (quick ? 1 : 3); round++) {
    for (const [name, work] of Object.entries(works)) {
      resetPeak(bridgePid);
      const before = residentMiB(bridgePid);
      const cpu = [cpuSeconds(bridgePid), cpuSeconds(cloudPid)];
      samples[name].push(mib / (await time(work)) * 1000);
      if (!(name in growth)) continue;
      growth[name].push(peakMiB(bridgePid) - before);
      micros[name].push([bridgePid, cloudPid].map((pid, i) => (cpuSeconds(pid) - cpu[i]) / mib * 1e6));
    }
  }
  await session.files.remove(path);
  const row = (name, officialName) => {
    const cpu = [0, 1].map((i) => median(micros[name].map((pair) => pair[i])).toFixed(0));
    return [{
      what: `${name} of ${mib} MiB`, unit: "MiB/s", samples: { official: samples[officialName], sandbridge: samples[name] },
      official: median(samples[officialName]), sandbridge: median(samples[name]),
      target: ">= 300", reached: median(samples[name]) >= 300,
      details: `CPU a MiB ${cpu[0]} µs in the bridge, ${cpu[1]} µs in the cloud`,
    }, {
      what: `bridge's growth meanwhile (${name})`, unit: "MiB", samples: growth[name],
      sandbridge: Math.max(...growth[name]), target: "<= 16", reached: Math.max(...growth[name]) <= 16,
    }];
  };
  return [...row("read", "officialRead"), ...row("write", "officialWrite")];
}
