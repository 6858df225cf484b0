// Paired rounds, and what a process uses.

import { readFileSync, writeFileSync } from "node:fs";

const TICKS_PER_SECOND = 100; // USER_HZ, the same on every Linux
const now = () => performance.now();

/** Milliseconds that `work` takes. */
export async function time(work) {
  const begin = now();
  await work();
  return now() - begin;
}

/**
 * Times each of the named works once a round, one after the other, beginning with another one each round: what else the
 * machine does at that time hits all of them. Two rounds before do not count. After each work `tidy` is run, untimed.
 * Resolves with the samples by name, in ms.
 */
export async function rounds(count, works, tidy = () => {}) {
  const names = Object.keys(works);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -2; round < count; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(round + 2 + i) % names.length];
      const ms = await time(works[name]);
      await tidy();
      if (round >= 0) samples[name].push(ms);
    }
  }
  return samples;
}

/** By linear interpolation; `share` 0.5 is the median. */
export function quantile(samples, share) {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low);
}
export const median = (samples) => quantile(samples, 0.5);

/** Of each round's second less its first. */
export const differences = (first, second) => second.map((value, i) => value - first[i]);

/** Seconds on a processor so far, in the program and in the kernel for it. */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

const statusMiB = (pid, field) =>
  Number(new RegExp(`^${field}:\\s*(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;

export const residentMiB = (pid) => statusMiB(pid, "VmRSS");
/** The most since `resetPeak`, as the kernel keeps it. */
export const peakMiB = (pid) => statusMiB(pid, "VmHWM");
export const resetPeak = (pid) => writeFileSync(`/proc/${pid}/clear_refs`, "5");
