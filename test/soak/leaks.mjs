// What a process, and the machine, hold of us.

import { existsSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const attempt = (f, otherwise) => {
  try {
    return f();
  } catch {
    return otherwise; // it has ended meanwhile
  }
};

/** Descriptors but established TCP connections, by what they are; those connections; threads; KiB resident. */
export function holdings(pid) {
  const established = new Set();
  for (const line of readFileSync(`/proc/${pid}/net/tcp`, "utf8").split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    if (fields[3] === "01" || fields[3] === "08") established.add(`socket:[${fields[9]}]`);
  }
  const descriptors = {};
  let connections = 0;
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const what = attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`), "");
    if (established.has(what)) {
      connections++;
      continue;
    }
    const kind = what.replace(/:\[\d+\]$/, "").replace(/ \(deleted\)$/, "");
    if (kind) descriptors[kind] = (descriptors[kind] ?? 0) + 1;
  }
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    descriptors, connections,
    threads: readdirSync(`/proc/${pid}/task`).length,
    residentKiB: Number(/VmRSS:\s+(\d+)/.exec(status)[1]),
  };
}

/** What the second has more than the first, a line each. */
export function moreThan(before, after) {
  const lines = [];
  for (const [kind, count] of Object.entries(after.descriptors)) {
    const had = before.descriptors[kind] ?? 0;
    if (count > had) lines.push(`${count - had} descriptors: ${kind}`);
  }
  if (after.threads > before.threads) lines.push(`${after.threads - before.threads} threads`);
  return lines;
}

/** Processes that stand in a mount below this directory: all that run in its sandboxes. */
export function processesIn(directory) {
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid)).filter((pid) =>
    attempt(() => readFileSync(`/proc/${pid}/mountinfo`, "utf8"), "").includes(directory))
    .map((pid) => `${pid} ${attempt(() => readFileSync(`/proc/${pid}/cmdline`, "utf8"), "").replaceAll("\0", " ").trim()}`);
}

/** Sandboxes' control groups of anybody on this machine that hold no process. */
export function emptyGroups(folder = "/sys/fs/cgroup", found = new Set(), depth = 0) {
  for (const entry of attempt(() => readdirSync(folder, { withFileTypes: true }), [])) {
    if (!entry.isDirectory() || depth > 6) continue;
    const path = join(folder, entry.name);
    if (entry.name.startsWith("sandbridge-") &&
        attempt(() => readFileSync(join(path, "cgroup.procs"), "utf8"), "gone") === "") found.add(path);
    emptyGroups(path, found, depth + 1);
  }
  return found;
}

/** What a cloud without sandboxes keeps of them. */
export function filesLeft(directory) {
  return ["boxes/boxes", "boxes/trash", "sandboxes"].flatMap((folder) =>
    existsSync(join(directory, folder)) ? readdirSync(join(directory, folder)).map((name) => `${folder}/${name}`) : []);
}

/** Our programs' names in the folder for temporary files. */
export function temporaryFiles() {
  return new Set(readdirSync(tmpdir()).filter((name) => /sandbridge/.test(name)));
}
