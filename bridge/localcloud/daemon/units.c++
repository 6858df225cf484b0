#include "units.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kj/debug.h>
#include <kj/vector.h>

namespace sandbridge::localcloud::daemon {

namespace {

// Where the limit is not limited: far above any that somebody would set.
constexpr rlim_t UNLIMITED = rlim_t(1) << 62;

kj::Vector<pid_t> everyProcess() {
  kj::Vector<pid_t> result;
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return result;
  while (dirent* entry = readdir(proc)) {
    pid_t pid = atoi(entry->d_name);
    if (pid > 1) result.add(pid);
  }
  closedir(proc);
  return result;
}

kj::Vector<pid_t> readChildren(int list) {
  kj::Vector<pid_t> result;
  char text[4096];
  pid_t pid = 0;
  off_t at = 0;
  for (;;) {
    ssize_t n = pread(list, text, sizeof text, at);
    if (n <= 0) break;
    for (char c : kj::arrayPtr(text, n)) {
      if (c != ' ') {
        pid = pid * 10 + (c - '0');
      } else {
        result.add(pid);
        pid = 0;
      }
    }
    at += n;
  }
  return result;
}

}  // namespace

Units::Units()
    : children(open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC)) {
  rlimit limit;
  KJ_SYSCALL(getrlimit(RLIMIT_RTTIME, &limit));
  unmarked = kj::min(limit.rlim_max, UNLIMITED);
}

bool Units::Mark::set() const {
  rlimit both = {limit, limit};
  return setrlimit(RLIMIT_RTTIME, &both) == 0;
}

kj::Maybe<uint64_t> Units::unitOf(pid_t pid) const {
  int file = open(kj::str("/proc/", pid, "/limits").cStr(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return nullptr;
  char text[4096];
  ssize_t n = read(file, text, sizeof text - 1);
  close(file);
  if (n <= 0) return nullptr;
  text[n] = 0;
  const char* line = strstr(text, "Max realtime timeout");
  unsigned long long hard;
  if (line == nullptr || sscanf(line, "Max realtime timeout %*s %llu", &hard) != 1) return nullptr;
  if (hard >= unmarked) return nullptr;
  return unmarked - hard;
}

bool Units::killRest(kj::ArrayPtr<const pid_t> known,
                     kj::FunctionParam<bool(uint64_t unit)> lives) const {
  auto isLeft = [&](pid_t pid) {
    KJ_IF_MAYBE (unit, unitOf(pid)) return !lives(*unit);
    return false;
  };
  // Whoever is left is an orphan, or descends from one.
  if (children.get() >= 0) {
    bool any = false;
    for (pid_t pid : readChildren(children)) {
      bool isKnown = false;
      for (pid_t other : known) isKnown = isKnown || other == pid;
      any = any || (!isKnown && isLeft(pid));
    }
    if (!any) return false;
  }
  bool any = false;
  for (pid_t pid : everyProcess()) {
    // First the handle, then the look: the number may be another process's by now.
    kj::AutoCloseFd handle(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (handle.get() < 0 || !isLeft(pid)) continue;
    any = true;
    syscall(SYS_pidfd_send_signal, handle.get(), SIGKILL, nullptr, 0);
  }
  return any;
}

}  // namespace sandbridge::localcloud::daemon
