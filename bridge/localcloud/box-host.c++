#include "box-host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <kj/debug.h>

#include "base/error.h"

namespace sandbridge::localcloud {

namespace {

kj::String readText(kj::StringPtr path) {
  int fd = open(path.cStr(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return kj::str("");
  kj::AutoCloseFd owned(fd);
  kj::Vector<char> text;
  char buffer[4096];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0 && text.size() < (1u << 20)) {
    text.addAll(kj::arrayPtr(buffer, n));
  }
  text.add('\0');
  return kj::String(text.releaseAsArray());
}

kj::Vector<kj::String> split(kj::ArrayPtr<const char> text, char separator) {
  kj::Vector<kj::String> parts;
  for (size_t start = 0, i = 0; i <= text.size(); i++) {
    if (i < text.size() && text[i] != separator) continue;
    if (i > start) parts.add(kj::heapString(text.slice(start, i)));
    start = i + 1;
  }
  return parts;
}

[[noreturn]] void impossible(kj::StringPtr why) {
  throwError(ErrorKind::FAILED,
             kj::str("Local sandboxes cannot be isolated on this machine: ", why));
}

// Finds ids that are ours to give away and are not host uid 0.
void inspectIds(BoxHost& host) {
  if (geteuid() != 0) {
    host.uidBase = getuid();
    return;
  }
  bool oneIsNotRoot = false;
  uint64_t best = 0;
  for (auto& line : split(readText("/proc/self/uid_map"), '\n')) {
    unsigned long inside, outside, count;
    if (sscanf(line.cStr(), "%lu %lu %lu", &inside, &outside, &count) != 3) continue;
    if (inside == 0 && outside != 0) oneIsNotRoot = true;
    uint64_t end = inside + count;
    if (inside <= UID_BASE && end >= uint64_t(UID_BASE) + UID_COUNT) {
      host.range = true;
      host.uidBase = UID_BASE;
      host.uidCount = UID_COUNT;
      return;
    }
    // Root of a container with a small range: its upper part, clear of the ids that its own users have.
    uint64_t start = kj::max(uint64_t(inside), uint64_t(2000));
    if (end > start && end - start > best) {
      best = end - start;
      host.uidCount = static_cast<uid_t>(kj::min(best, uint64_t(UID_COUNT)));
      host.uidBase = static_cast<uid_t>(end - host.uidCount);
    }
  }
  if (best >= 1000) {
    host.range = true;
    return;
  }
  if (!oneIsNotRoot) {
    impossible(
        "this is root, and no range of other user ids is mapped here to give to the sandboxes. Run "
        "it as a plain user, or in a container with a larger id range.");
  }
  host.uidBase = 0;
  host.uidCount = 1;
}

// Whether groups can be made here; leaves nothing behind.
bool canMakeGroup(kj::StringPtr folder) {
  auto trial = kj::str(folder, '/', GROUP_PREFIX, "trial-", getpid());
  if (mkdir(trial.cStr(), 0755) < 0) return false;
  rmdir(trial.cStr());
  return true;
}

void inspectCgroups(BoxHost& host) {
  // Where each hierarchy is mounted: controller names (or "" for v2) to mount point and root.
  struct Mounted {
    kj::String point, root, options;
    bool v2;
  };
  kj::Vector<Mounted> mounts;
  for (auto& line : split(readText("/proc/self/mountinfo"), '\n')) {
    KJ_IF_MAYBE (type, line.asPtr().findFirst('-')) {
      (void)type;
      const char* separator = strstr(line.cStr(), " - cgroup");
      if (separator == nullptr) continue;
      auto fields = split(line.slice(0, separator - line.begin()), ' ');
      auto after = split(kj::StringPtr(separator + 3), ' ');
      if (fields.size() < 5 || after.size() < 3) continue;
      mounts.add(Mounted{kj::mv(fields[4]), kj::mv(fields[3]), kj::mv(after[2]),
                         after[0] == "cgroup2"});
    }
  }
  auto inOptions = [](kj::StringPtr options, kj::StringPtr name) {
    for (auto& option : split(options, ',')) {
      if (option == name) return true;
    }
    return false;
  };
  for (auto& line : split(readText("/proc/self/cgroup"), '\n')) {
    // "4:memory:/path" or "0::/path"
    char* names = strchr(line.begin(), ':');
    if (names == nullptr) continue;
    char* path = strchr(names + 1, ':');
    if (path == nullptr) continue;
    kj::String ours = kj::str(path + 1);
    auto list = split(kj::arrayPtr(names + 1, path), ',');
    bool v2 = list.size() == 0;
    for (auto& mounted : mounts) {
      if (mounted.v2 != v2) continue;
      kj::StringPtr relative = ours;
      if (mounted.root != "/") {
        if (!relative.startsWith(mounted.root)) continue;
        relative = relative.slice(mounted.root.size());
      }
      auto folder = kj::str(mounted.point, relative == "/" ? ""_kj : relative);
      if (v2) {
        if (!canMakeGroup(folder)) break;
        host.hasV2 = true;
        host.controllers.add(BoxHost::Controller{kj::str(""), kj::mv(folder)});
        break;
      }
      bool found = false;
      for (kj::StringPtr wanted : {"memory"_kj, "cpu"_kj, "pids"_kj, "freezer"_kj}) {
        if (inOptions(mounted.options, wanted) && kj::str(list.asPtr(), "").size() > 0) {
          for (auto& name : list) {
            if (name != wanted || !canMakeGroup(folder)) continue;
            host.controllers.add(BoxHost::Controller{kj::str(wanted), kj::str(folder)});
            found = true;
          }
        }
      }
      if (found) break;
    }
  }
}

bool inPath(kj::StringPtr program) {
  const char* path = getenv("PATH");
  for (auto& folder : split(kj::StringPtr(path == nullptr ? "/usr/sbin:/usr/bin" : path), ':')) {
    if (access(kj::str(folder, '/', program).cStr(), X_OK) == 0) return true;
  }
  return false;
}

void inspectNetwork(BoxHost& host) {
  if (!inPath("slirp4netns")) {
    host.noNetworkReason = kj::str("slirp4netns is not installed");
  } else if (access("/dev/net/tun", R_OK | W_OK) < 0) {
    host.noNetworkReason = kj::str("/dev/net/tun cannot be opened: ", strerror(errno));
  } else {
    host.network = true;
  }
}

}  // namespace

BoxHost inspectHost() {
  BoxHost host;
  utsname system;
  uname(&system);
  unsigned major = 0, minor = 0;
  sscanf(system.release, "%u.%u", &major, &minor);
  if (major < 5 || (major == 5 && minor < 14)) {
    impossible(kj::str("Linux 5.14 or newer is needed, this is ", system.release));
  }
  inspectIds(host);
  inspectCgroups(host);
  inspectNetwork(host);
  host.bootId = kj::str(split(readText("/proc/sys/kernel/random/boot_id"), '\n').asPtr());
  return host;
}

uint processLimit(const BoxSpec& spec) {
  return static_cast<uint>(kj::min(8.0, kj::max(1.0, spec.cpus)) * PROCESSES_PER_CPU);
}

kj::Vector<Cgroup> cgroupsFor(const BoxHost& host, const BoxSpec& spec, kj::StringPtr instance) {
  kj::Vector<Cgroup> result;
  auto memory = kj::str(static_cast<uint64_t>(spec.memoryMb) << 20);
  auto quota = kj::max(1000, static_cast<int64_t>(spec.cpus * 100000));
  for (auto& controller : host.controllers) {
    Cgroup cgroup;
    cgroup.folder = kj::str(controller.folder, '/', GROUP_PREFIX, instance);
    auto limit = [&](kj::StringPtr file, kj::String value) {
      cgroup.limits.add(CgroupLimit{kj::str(file), kj::mv(value)});
    };
    if (controller.name == "") {
      cgroup.v2 = true;
      limit("memory.max", kj::str(memory));
      limit("cpu.max", kj::str(quota, " 100000"));
      limit("pids.max", kj::str(processLimit(spec)));
    } else if (controller.name == "memory") {
      limit("memory.limit_in_bytes", kj::str(memory));
    } else if (controller.name == "cpu") {
      limit("cpu.cfs_period_us", kj::str(100000));
      limit("cpu.cfs_quota_us", kj::str(quota));
    } else if (controller.name == "pids") {
      limit("pids.max", kj::str(processLimit(spec)));
    } else if (host.hasV2) {
      continue;  // the v2 freezer is the better one
    }
    result.add(kj::mv(cgroup));
  }
  return result;
}

}  // namespace sandbridge::localcloud
