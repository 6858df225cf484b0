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

/** Processes of the sandboxes kept here: each sandbox's first holds its lock, and the others are in its PID namespace. */
export function processesIn(directory, servers) {
  const pids = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && !servers.includes(Number(pid)));
  const namespaceOf = (pid) => attempt(() => readlinkSync(`/proc/${pid}/ns/pid`), "");
  const own = namespaceOf("self");
  const firsts = pids.filter((pid) => attempt(() => readdirSync(`/proc/${pid}/fd`), []).some((fd) =>
    attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`), "").startsWith(`${directory}/`)));
  const namespaces = new Set(firsts.map(namespaceOf).filter((namespace) => namespace && namespace !== own));
  return pids.filter((pid) => firsts.includes(pid) || namespaces.has(namespaceOf(pid)))
    .map((pid) => `${pid} ${attempt(() => readFileSync(`/proc/${pid}/cmdline`, "utf8"), "").replaceAll("\0", " ").trim()}`);
}

/** Sandboxes' control groups of anybody on this machine: all, or those that hold no process. */
export function groups(onlyEmpty, folder = "/sys/fs/cgroup", found = new Set(), depth = 0) {
  for (const entry of attempt(() => readdirSync(folder, { withFileTypes: true }), [])) {
    if (!entry.isDirectory() || depth > 6) continue;
    const path = join(folder, entry.name);
    if (entry.name.startsWith("sandbridge-") &&
        (!onlyEmpty || attempt(() => readFileSync(join(path, "cgroup.procs"), "utf8"), "gone") === "")) found.add(path);
    groups(onlyEmpty, path, found, depth + 1);
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
