#include "box-groups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kj/debug.h>

#include "base/coroutine.h"
#include "box-freezer.h"
#include "launch-spec.h"

namespace sandbridge::localcloud {

namespace {

// Longer than a launcher takes from making a group to the first process in it.
constexpr time_t YOUNG_SECONDS = 60;

// Whether the box's daemon in this group holds a lock file that was deleted.
bool isUnwanted(kj::StringPtr folder) {
  FILE* file = fopen(kj::str(folder, "/cgroup.procs").cStr(), "re");
  if (file == nullptr) return false;
  KJ_DEFER(fclose(file));
  int pid;
  while (fscanf(file, "%d", &pid) == 1) {
    char target[4096];
    auto link = kj::str("/proc/", pid, "/fd/", FD_LOCK);
    ssize_t n = readlink(link.cStr(), target, sizeof target - 1);
    if (n > 0 && kj::heapString(target, n).endsWith("/lock (deleted)")) return true;
  }
  return false;
}

}  // namespace

kj::Promise<void> removeCgroups(kj::Vector<BoxRecord::Group> groups, kj::Timer& timer) {
  for (int attempt = 0; attempt < 100 && groups.size() > 0; attempt++) {
    if (attempt > 0) co_await timer.afterDelay(attempt * 2 * kj::MILLISECONDS);
    kj::Vector<BoxRecord::Group> left;
    for (auto& group : groups) {
      if (rmdir(group.folder.cStr()) < 0 && errno == EBUSY) left.add(kj::mv(group));
    }
    groups = kj::mv(left);
  }
}

void sweepCgroups(const BoxHost& host) {
  for (auto& controller : host.controllers) {
    DIR* stream = opendir(controller.folder.cStr());
    if (stream == nullptr) continue;
    KJ_DEFER(closedir(stream));
    while (dirent* entry = readdir(stream)) {
      kj::StringPtr name = entry->d_name;
      if (!name.startsWith(GROUP_PREFIX)) continue;
      struct stat st;
      if (fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
      bool young = time(nullptr) - st.st_mtime < YOUNG_SECONDS;
      // The kernel refuses to remove a group that holds a process.
      if (!young && unlinkat(dirfd(stream), entry->d_name, AT_REMOVEDIR) == 0) continue;
      auto folder = kj::str(controller.folder, '/', name);
      if (isUnwanted(folder)) thawGroup(folder, controller.name == "");
    }
  }
}

}  // namespace sandbridge::localcloud
