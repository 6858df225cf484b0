#include "launch-spec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sandbridge::localcloud {

namespace {

// Deeper than this, a folder is moved up to the top first, so that no tree can exhaust the stack or descriptors.
constexpr int MAX_DEPTH = 64;

bool isDots(const char* name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

// Empties the folder `fd` (closes it). Returns false when something is left.
bool empty(int fd, int top, int depth, unsigned& counter) {
  // A sandbox can leave folders that even their owner may not enter.
  fchmod(fd, 0700);
  DIR* stream = fdopendir(fd);
  if (stream == nullptr) {
    close(fd);
    return false;
  }
  bool all = true;
  for (bool again = true; again;) {
    again = false;
    rewinddir(stream);
    while (dirent* entry = readdir(stream)) {
      const char* name = entry->d_name;
      if (isDots(name)) continue;
      int here = dirfd(stream);
      if (unlinkat(here, name, 0) == 0) continue;
      if (unlinkat(here, name, AT_REMOVEDIR) == 0) continue;
      struct stat st;
      if (fstatat(here, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        all = all && errno == ENOENT;
        continue;
      }
      if (!S_ISDIR(st.st_mode)) {
        all = false;
        continue;
      }
      if ((st.st_mode & 0700) != 0700) fchmodat(here, name, 0700, 0);
      if (depth >= MAX_DEPTH) {
        auto moved = kj::str(".deep-", getpid(), '-', counter++);
        if (renameat(here, name, top, moved.cStr()) < 0) all = false;
        continue;
      }
      int child = openat(here, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (child < 0 || !empty(child, top, depth + 1, counter) ||
          unlinkat(here, name, AT_REMOVEDIR) < 0) {
        all = false;
      }
      // What was moved up, and names that a rename made readdir skip.
      if (depth == 0) again = all;
    }
    if (again) {
      again = false;
      rewinddir(stream);
      while (dirent* entry = readdir(stream)) again = again || !isDots(entry->d_name);
    }
  }
  closedir(stream);
  return all;
}

}  // namespace

int sweepMain(const char* folder) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return errno == ENOENT ? 0 : 1;
  int top = dup(fd);
  unsigned counter = 0;
  bool all = empty(fd, top, 0, counter);
  close(top);
  return all ? 0 : 1;
}

}  // namespace sandbridge::localcloud
