#include "tree-copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <vector>

namespace sandbridge::localcloud {

namespace {

// Each level holds three descriptors and some stack.
constexpr int MAX_DEPTH = 1000;
// What the helper remembers of each fits into memory.
constexpr uint64_t MAX_ENTRIES = 4000000;

// Time stamps advance with the kernel's tick, 10 ms at most: what was changed shortly before could change again under the
// same stamp.
constexpr int64_t STAMP_STEP_NS = 20000000;

// A name of the sandbox in a message.
constexpr size_t MAX_SHOWN = 200;

struct Fd {
  explicit Fd(int fd) : fd(fd) {}
  Fd(const Fd&) = delete;
  ~Fd() {
    if (fd >= 0) close(fd);
  }
  operator int() const { return fd; }
  int fd;
};

bool isWhiteout(const struct stat& st) { return S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0); }

bool isFull(int error) { return error == ENOSPC || error == EDQUOT; }

std::vector<std::string> namesIn(int folder) {
  std::vector<std::string> names;
  int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = fd < 0 ? nullptr : fdopendir(fd);
  if (stream == nullptr) {
    if (fd >= 0) close(fd);
    throw CopyFailure{"list a folder", errno};
  }
  for (;;) {
    errno = 0;
    dirent* entry = readdir(stream);
    if (entry == nullptr) break;
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
      names.push_back(entry->d_name);
    }
    if (names.size() > MAX_ENTRIES) {
      closedir(stream);
      throw CopyFailure{"a folder holds too many files for a snapshot", 0};
    }
  }
  int error = errno;
  closedir(stream);
  if (error != 0) throw CopyFailure{"list a folder", error};
  return names;
}

// Of overlayfs' own marks, those that say what is visible. The others tie a file to the layers that it came from, which
// are not the copy's.
bool isKept(const char* attribute) {
  for (const char* prefix : {"trusted.overlay.", "user.overlay."}) {
    size_t size = strlen(prefix);
    if (strncmp(attribute, prefix, size) != 0) continue;
    const char* mark = attribute + size;
    for (const char* bound : {"origin", "impure", "nlink", "upper", "uuid"}) {
      if (strcmp(mark, bound) == 0) return false;
    }
    return true;
  }
  for (const char* prefix : {"user.", "trusted.", "security.capability", "system.posix_acl_"}) {
    if (strncmp(attribute, prefix, strlen(prefix)) == 0) return true;
  }
  return false;  // labels that the kernel sets by itself
}

void copyExtendedAttributes(int from, int to) {
  static char list[XATTR_LIST_MAX], value[XATTR_SIZE_MAX];
  ssize_t size = flistxattr(from, list, sizeof list);
  if (size < 0) {
    if (errno == EOPNOTSUPP) return;
    throw CopyFailure{"read extended attributes", errno};
  }
  for (char* name = list; name < list + size; name += strlen(name) + 1) {
    if (!isKept(name)) continue;
    ssize_t length = fgetxattr(from, name, value, sizeof value);
    if (length < 0) {
      if (errno == ENODATA) continue;
      throw CopyFailure{"read an extended attribute", errno};
    }
    if (fsetxattr(to, name, value, length, 0) < 0) {
      throw CopyFailure{"write an extended attribute", errno};
    }
  }
}

}  // namespace

bool stampsMappedWrites(int folder) {
  struct statfs fs;
  if (fstatfs(folder, &fs) < 0) return false;
  // Numbers of <linux/magic.h>; those of ext4 and of xfs and f2fs are not all there.
  constexpr long EXT4 = 0xef53, XFS = 0x58465342, BTRFS = 0x9123683e, F2FS = 0xf2f52010;
  return fs.f_type == EXT4 || fs.f_type == XFS || fs.f_type == BTRFS || fs.f_type == F2FS;
}

void removeEntry(int folder, const char* name) {
  if (unlinkat(folder, name, 0) == 0 || errno == ENOENT) return;
  if (unlinkat(folder, name, AT_REMOVEDIR) == 0) return;
  if (errno != ENOTEMPTY && errno != EEXIST) throw CopyFailure{"remove an old copy", errno};
  {
    Fd inside(openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (inside < 0) throw CopyFailure{"remove an old copy", errno};
    for (auto& child : namesIn(inside)) removeEntry(inside, child.c_str());
  }
  if (unlinkat(folder, name, AT_REMOVEDIR) < 0) throw CopyFailure{"remove an old copy", errno};
}

void TreeCopy::fail(const char* step) {
  int error = errno;
  std::string shown;
  for (char c : path) shown += c >= 0x20 && c < 0x7f ? c : '?';
  if (shown.size() > MAX_SHOWN) shown = "..." + shown.substr(shown.size() - MAX_SHOWN);
  throw CopyFailure{std::string(step) + " " + shown, error};
}

void TreeCopy::copy(int source, int target) {
  clock_gettime(CLOCK_REALTIME, &trustedBefore);
  trustedBefore.tv_nsec -= STAMP_STEP_NS;
  if (trustedBefore.tv_nsec < 0) {
    trustedBefore.tv_nsec += 1000000000;
    trustedBefore.tv_sec--;
  }
  for (auto& suspect : options.suspects) {
    struct stat st;
    if (fstatat(source, suspect.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) suspectInodes.insert(st.st_ino);
  }
  targetRoot = target;
  folder(source, target, options.previous, 0);
}

void TreeCopy::folder(int source, int target, int previous, int depth) {
  if (depth > MAX_DEPTH) {
    errno = 0;
    fail("folders are nested too deeply for a snapshot at");
  }
  auto names = namesIn(source);
  if (options.keptMarks != nullptr) {
    std::set<std::string> wanted(names.begin(), names.end());
    for (auto& name : namesIn(target)) {
      if (wanted.count(name) == 0) removeEntry(target, name.c_str());
    }
  }
  size_t length = path.size();
  for (auto& name : names) {
    if (++entries > MAX_ENTRIES) throw CopyFailure{"there are too many files for a snapshot", 0};
    if (length > 0) path += '/';
    path += name;
    if (options.tolerant) {
      try {
        entry(source, target, previous, name.c_str(), depth);
      } catch (CopyFailure& failure) {
        if (isFull(failure.error)) throw;
        marks.erase(path);
      }
    } else {
      entry(source, target, previous, name.c_str(), depth);
    }
    path.resize(length);
  }
}

void TreeCopy::entry(int source, int target, int previous, const char* name, int depth) {
  struct stat st;
  if (fstatat(source, name, &st, AT_SYMLINK_NOFOLLOW) < 0) fail("look at");
  if (S_ISDIR(st.st_mode)) {
    subfolder(source, target, previous, name, depth, st);
  } else {
    statistics.files++;
    file(source, target, previous, name, st);
  }
}

void TreeCopy::subfolder(int source, int target, int previous, const char* name, int depth,
                         const struct stat& st) {
  Fd from(openat(source, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME));
  if (from < 0) fail("open");
  if (mkdirat(target, name, 0700) < 0) {
    if (errno != EEXIST) fail("copy");
    struct stat there;
    if (fstatat(target, name, &there, AT_SYMLINK_NOFOLLOW) < 0) fail("copy");
    if (!S_ISDIR(there.st_mode)) {
      removeEntry(target, name);
      if (mkdirat(target, name, 0700) < 0) fail("copy");
    }
  }
  Fd to(openat(target, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (to < 0) fail("copy");
  Fd before(previous < 0 ? -1
                         : openat(previous, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  folder(from, to, before, depth + 1);
  // A first, tolerant copy leaves it open to the second.
  if (!options.tolerant) attributes(from, to, st);
}

void TreeCopy::file(int source, int target, int previous, const char* name, const struct stat& st) {
  if (S_ISREG(st.st_mode)) statistics.bytes += static_cast<uint64_t>(st.st_size);
  if (isWhiteout(st)) {
    // Overlayfs gives many deleted files one node, whose stamp says nothing about the one of them.
    struct stat there;
    if (fstatat(target, name, &there, AT_SYMLINK_NOFOLLOW) == 0) {
      if (isWhiteout(there)) return;
      removeEntry(target, name);
    }
    if (mknodat(target, name, S_IFCHR, makedev(0, 0)) < 0) fail("copy the deletion of");
    return;
  }

  bool several = st.st_nlink > 1;
  if (several) {
    auto first = linked.find(st.st_ino);
    if (first != linked.end()) {
      removeEntry(target, name);
      if (linkat(targetRoot, first->second.c_str(), target, name, 0) == 0) {
        if (S_ISREG(st.st_mode)) statistics.bytes -= static_cast<uint64_t>(st.st_size);
        remember(st);
        return;
      }
      // Too many names, or too long a path to the first: then it is a file of its own.
      if (errno != EMLINK && errno != ENAMETOOLONG) fail("link");
    }
  }
  if (isSame(options.keptMarks, st)) {
    remember(st);
  } else {
    removeEntry(target, name);
    bool done = previous >= 0 && isSame(options.previousMarks, st) &&
                linkat(previous, name, target, name, 0) == 0;
    if (!done) make(source, target, name, st);
    remember(st);
  }
  if (several) linked.emplace(st.st_ino, path);
}

void TreeCopy::make(int source, int target, const char* name, const struct stat& st) {
  if (S_ISREG(st.st_mode)) {
    content(source, target, name, st);
    return;
  }
  if (S_ISLNK(st.st_mode)) {
    char text[4097];
    ssize_t n = readlinkat(source, name, text, sizeof text - 1);
    if (n < 0) fail("read");
    text[n] = 0;
    if (symlinkat(text, target, name) < 0) fail("copy");
  } else if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) {
    if (mknodat(target, name, (st.st_mode & S_IFMT) | 0600, 0) < 0) fail("copy");
    if (fchmodat(target, name, st.st_mode & 07777, 0) < 0) fail("copy");
  } else {
    // Nobody in a box can make one.
    errno = 0;
    fail("there is a device among the sandbox's files:");
  }
  if (options.keepOwners && fchownat(target, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0) {
    fail("copy the owner of");
  }
  timespec times[2] = {st.st_atim, st.st_mtim};
  if (utimensat(target, name, times, AT_SYMLINK_NOFOLLOW) < 0) fail("copy the times of");
}

void TreeCopy::content(int source, int target, const char* name, const struct stat& st) {
  Fd from(openat(source, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME | O_NONBLOCK));
  if (from < 0) fail("open");
  Fd to(openat(target, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (to < 0) fail("copy");
  statistics.copied++;
  if (st.st_size > 0 && ioctl(to, FICLONE, static_cast<int>(from)) < 0) {
    off_t at = 0;
    while (at < st.st_size) {
      off_t begin = lseek(from, at, SEEK_DATA);
      if (begin < 0) {
        if (errno == ENXIO) break;  // a hole up to the end
        fail("read");
      }
      off_t end = lseek(from, begin, SEEK_HOLE);
      if (end < 0) fail("read");
      if (end > st.st_size) end = st.st_size;
      off_t in = begin, out = begin;
      while (in < end) {
        ssize_t n = copy_file_range(from, &in, to, &out, end - in, 0);
        if (n < 0) fail("copy");
        if (n == 0) break;  // shorter than it was: it changes, and is copied again
      }
      at = end;
    }
    if (ftruncate(to, st.st_size) < 0) fail("copy");
  }
  attributes(from, to, st);
}

void TreeCopy::attributes(int from, int to, const struct stat& st) {
  // In this order: a change of owner takes capabilities and set-user-id bits away.
  if (options.keepOwners && fchown(to, st.st_uid, st.st_gid) < 0) fail("copy the owner of");
  if (fchmod(to, st.st_mode & 07777) < 0) fail("copy the mode of");
  try {
    copyExtendedAttributes(from, to);
  } catch (CopyFailure& failure) {
    errno = failure.error;
    fail((failure.what + " of").c_str());
  }
  timespec times[2] = {st.st_atim, st.st_mtim};
  if (futimens(to, times) < 0) fail("copy the times of");
}

bool TreeCopy::isSuspect(const struct stat& st) {
  return !options.trust || suspectInodes.count(st.st_ino) > 0;
}

bool TreeCopy::isSame(const FileMarks* known, const struct stat& st) {
  if (known == nullptr || isSuspect(st)) return false;
  auto found = known->find(path);
  return found != known->end() && found->second.inode == st.st_ino &&
         found->second.seconds == st.st_ctim.tv_sec &&
         found->second.nanoseconds == st.st_ctim.tv_nsec && found->second.size == st.st_size;
}

void TreeCopy::remember(const struct stat& st) {
  if (isSuspect(st)) return;
  // Without a fraction it may be the stamp of a file system that counts seconds.
  int64_t coarse = st.st_ctim.tv_nsec == 0 ? st.st_ctim.tv_sec + 1 : st.st_ctim.tv_sec;
  bool old = coarse < trustedBefore.tv_sec ||
             (coarse == trustedBefore.tv_sec && st.st_ctim.tv_nsec < trustedBefore.tv_nsec);
  if (!old) return;
  marks[path] = {st.st_ino, st.st_ctim.tv_sec, st.st_ctim.tv_nsec, st.st_size};
}

}  // namespace sandbridge::localcloud
