#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// <sys/mount.h> of glibc and <linux/mount.h> cannot be included together.
extern "C" int mount(const char*, const char*, const char*, unsigned long, const void*) noexcept;
extern "C" int umount2(const char*, int) noexcept;

namespace sandbridge::localcloud {

void failStep(kj::StringPtr step) { throw LaunchFailure{kj::str(step), errno}; }

namespace {

constexpr unsigned long RDONLY = 1, NOSUID = 2, NODEV = 4, NOEXEC = 8, BIND = 4096, REC = 16384;
constexpr int DETACH = 2;

bool exists(kj::StringPtr path) {
  struct stat st;
  return lstat(path.cStr(), &st) == 0;
}

bool isFolder(kj::StringPtr path) {
  struct stat st;
  return lstat(path.cStr(), &st) == 0 && S_ISDIR(st.st_mode);
}

// The id on the host that owns the box's files.
uid_t owner(const LaunchSpec& spec) { return spec.range ? spec.uidBase : getuid(); }

void give(const LaunchSpec& spec, kj::StringPtr path) {
  if (spec.range && lchown(path.cStr(), owner(spec), owner(spec)) < 0) {
    failStep(kj::str("chown ", path));
  }
}

bool makeFolder(const LaunchSpec& spec, kj::StringPtr path, mode_t mode = 0755) {
  if (mkdir(path.cStr(), mode) < 0) {
    if (errno == EEXIST) return false;
    failStep(kj::str("mkdir ", path));
  }
  give(spec, path);
  return true;
}

// The top of a layer. A new one looks as the snapshot's does: what lies on top decides.
void makeUpper(const LaunchSpec& spec, kj::StringPtr layer) {
  auto path = kj::str("upper/", layer);
  if (!makeFolder(spec, path)) return;
  for (auto& snapshot : spec.layers) {
    struct stat st;
    if (lstat(kj::str(snapshot, '/', layer).cStr(), &st) < 0 || !S_ISDIR(st.st_mode)) continue;
    if (spec.range && lchown(path.cStr(), st.st_uid, st.st_gid) < 0) failStep(kj::str("chown ", path));
    if (chmod(path.cStr(), st.st_mode & 07777) < 0) failStep(kj::str("chmod ", path));
    timespec times[2] = {st.st_atim, st.st_mtim};
    if (utimensat(AT_FDCWD, path.cStr(), times, AT_SYMLINK_NOFOLLOW) < 0) failStep(kj::str("times of ", path));
    return;
  }
}

void mountOrFail(kj::StringPtr what, const char* source, kj::StringPtr target, const char* type,
                 unsigned long flags, const char* options) {
  if (mount(source, target.cStr(), type, flags, options) < 0) failStep(kj::str("mount ", what));
}

// A bind mount that is read-only all the way down. Flags that the source is locked to are kept.
void bindReadOnly(kj::StringPtr source, kj::StringPtr target, uint64_t extra) {
  mountOrFail(target, source.cStr(), target, nullptr, BIND | REC, nullptr);
  struct mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | extra;
  if (syscall(SYS_mount_setattr, AT_FDCWD, target.cStr(), AT_RECURSIVE, &attributes,
              sizeof attributes) < 0) {
    failStep(kj::str("mount ", target, " read-only"));
  }
}

// A private, read-only clone of a host folder in which host root's files belong to container root.
bool mountShifted(kj::StringPtr source, kj::StringPtr target, int userNamespace) {
  int tree = syscall(SYS_open_tree, AT_FDCWD, source.cStr(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0) return false;
  struct mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY;
  attributes.userns_fd = static_cast<uint64_t>(userNamespace);
  bool done = syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes,
                      sizeof attributes) == 0 &&
              syscall(SYS_move_mount, tree, "", AT_FDCWD, target.cStr(), MOVE_MOUNT_F_EMPTY_PATH) ==
                  0;
  close(tree);
  return done;
}

// Overlayfs takes ',' ':' and '\' in paths as its own.
kj::String escapeLayer(kj::StringPtr path) {
  kj::Vector<char> result;
  for (char c : path) {
    if (c == ',' || c == ':' || c == '\\') result.add('\\');
    result.add(c);
  }
  result.add('\0');
  return kj::String(result.releaseAsArray());
}

// The snapshots' part of a list of layers.
kj::String below(const LaunchSpec& spec, kj::StringPtr layer) {
  kj::Vector<char> result;
  for (auto& snapshot : spec.layers) {
    auto folder = kj::str(snapshot, '/', layer);
    if (!isFolder(folder)) continue;
    result.addAll(escapeLayer(folder));
    result.add(':');
  }
  result.add('\0');
  return kj::String(result.releaseAsArray());
}

bool mountOverlay(const LaunchSpec& spec, kj::StringPtr layer, kj::StringPtr lower,
                  kj::StringPtr target) {
  auto options = kj::str("lowerdir=", below(spec, layer), lower, ",upperdir=upper/", layer, ",workdir=work/", layer,
                         spec.range ? "" : ",userxattr");
  return mount("overlay", target.cStr(), "overlay", NODEV, options.cStr()) == 0;
}

void writeFile(const LaunchSpec& spec, kj::StringPtr path, kj::StringPtr content,
               mode_t mode = 0644) {
  if (exists(path)) return;
  int fd = open(path.cStr(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) failStep(kj::str("write ", path));
  bool done = write(fd, content.begin(), content.size()) == static_cast<ssize_t>(content.size());
  close(fd);
  if (!done) failStep(kj::str("write ", path));
  give(spec, path);
}

// The lines of the host's passwd or group file that belong to the system, not to people.
kj::String systemEntries(const char* path, bool shadow) {
  kj::Vector<char> result;
  FILE* file = fopen(path, "re");
  if (file == nullptr) return kj::str("");
  char* line = nullptr;
  size_t capacity = 0;
  while (getline(&line, &capacity, file) > 0) {
    char* second = strchr(line, ':');
    char* third = second == nullptr ? nullptr : strchr(second + 1, ':');
    if (third == nullptr) continue;
    unsigned long id = strtoul(third + 1, nullptr, 10);
    if (id >= 1000 && id != 65534) continue;
    if (shadow) {
      result.addAll(kj::arrayPtr(line, second - line));
      result.addAll(":*:19000:0:99999:7:::\n"_kj);
    } else {
      result.addAll(kj::StringPtr(line));
    }
  }
  free(line);
  fclose(file);
  result.add('\0');
  return kj::String(result.releaseAsArray());
}

// A snapshot's own accounts are the ones that its files belong to.
void writeUnlessBelow(const LaunchSpec& spec, kj::StringPtr path, kj::StringPtr content,
                      mode_t mode = 0644) {
  for (auto& snapshot : spec.layers) {
    if (exists(kj::str(snapshot, '/', path))) return;
  }
  writeFile(spec, kj::str("upper/", path), content, mode);
}

// A small file as the snapshots have it; none when they do not.
kj::Maybe<kj::String> readBelow(const LaunchSpec& spec, kj::StringPtr path) {
  constexpr size_t MAX_BYTES = 64 << 10;
  for (auto& snapshot : spec.layers) {
    auto name = kj::str(snapshot, '/', path);
    if (!exists(name)) continue;
    struct stat st;
    int fd = open(name.cStr(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return nullptr;
    auto text = kj::heapString(MAX_BYTES);
    ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, text.begin(), MAX_BYTES) : -1;
    close(fd);
    if (n < 0 || n == static_cast<ssize_t>(MAX_BYTES)) return nullptr;
    return kj::heapString(text.begin(), n);
  }
  return nullptr;
}

// What the snapshot's sandbox had in its hosts file stays, under the new name.
kj::String hosts(const LaunchSpec& spec) {
  auto own = kj::str("127.0.1.1 ", spec.id, '\n');
  KJ_IF_MAYBE (text, readBelow(spec, "etc/hosts")) {
    KJ_IF_MAYBE (name, readBelow(spec, "etc/hostname")) {
      auto old = kj::str("127.0.1.1 ", *name);
      const char* found = strstr(text->cStr(), old.cStr());
      if (found != nullptr) {
        size_t at = found - text->begin();
        return kj::str(text->slice(0, at), own, text->slice(at + old.size()));
      }
    }
    return kj::mv(*text);
  }
  return kj::str("127.0.0.1 localhost\n", own, "::1 localhost ip6-localhost ip6-loopback\n");
}

}  // namespace

void prepareFiles(const LaunchSpec& spec) {
  for (kj::StringPtr folder : {"upper"_kj, "work"_kj, "low"_kj, "m"_kj, "work/root"_kj}) {
    makeFolder(spec, folder);
  }
  makeUpper(spec, "root");
  for (auto& piece : hostPieces()) {
    if (!isFolder(kj::str("/", piece.path))) continue;
    makeUpper(spec, piece.layer);
    for (kj::StringPtr place : {"work/"_kj, "low/"_kj}) makeFolder(spec, kj::str(place, piece.layer));
  }
  writeFile(spec, "upper/etc/hostname", kj::str(spec.id, '\n'));
  writeFile(spec, "upper/etc/hosts", hosts(spec));
  // slirp4netns answers names at this address. Without a network, too: it may come later, and asking fails at once until then.
  writeFile(spec, "upper/etc/resolv.conf", "nameserver 10.0.2.3\n");
  writeUnlessBelow(spec, "etc/passwd", systemEntries("/etc/passwd", false));
  writeUnlessBelow(spec, "etc/group", systemEntries("/etc/group", false));
  writeUnlessBelow(spec, "etc/shadow", systemEntries("/etc/passwd", true), 0640);
  writeUnlessBelow(spec, "etc/gshadow", "", 0640);
}

bool mountRoot(const LaunchSpec& spec, int userNamespace) {
  bool writable = true;
  // The root's layer is called "root", not "/".
  if (!mountOverlay(spec, "root", escapeLayer(spec.skeleton), "m")) {
    failStep("mount overlay of the root (the folder's file system must be able to hold overlay "
             "layers, as ext4, xfs, btrfs and tmpfs are)");
  }
  for (auto& piece : hostPieces()) {
    auto source = kj::str("/", piece.path);
    if (!isFolder(source) || access(source.cStr(), R_OK | X_OK) < 0) continue;
    auto target = kj::str("m/", piece.path);
    kj::String base = kj::str(source);
    if (userNamespace >= 0) {
      auto low = kj::str("low/", piece.layer);
      if (mountShifted(source, low, userNamespace)) {
        base = kj::mv(low);
      } else {
        writable = false;
      }
    } else {
      writable = false;
    }
    auto mask = kj::str(spec.masks, '/', piece.layer);
    auto lower = isFolder(mask) ? kj::str(escapeLayer(mask), ':', base) : kj::mv(base);
    if (!mountOverlay(spec, piece.layer, lower, target)) {
      // A folder with mounts below it cannot be a layer for a plain user. Without the overlay the masks would be
      // missing, so only folders that need none come in this way.
      if (isFolder(mask)) {
        if (piece.layer == "usr"_kj || piece.layer == "etc"_kj) {
          failStep(kj::str("mount overlay of /", piece.path));
        }
        continue;
      }
      bindReadOnly(source, target, 0);
      writable = false;
    }
  }
  return writable;
}

void enterRoot(const LaunchSpec& spec) {
  if (spec.range) {
    // Mounts that came from another user namespace are locked; a bind of them is ours to pivot to.
    mountOrFail("the root", "m", "m", nullptr, BIND | REC, nullptr);
  }
  mountOrFail("/run", "tmpfs", "m/run", "tmpfs", NOSUID | NODEV, "mode=755,size=64m");
  mountOrFail("/proc (is it masked, as in a container that is not allowed to nest?)", "proc",
              "m/proc", "proc", NOSUID | NODEV | NOEXEC, nullptr);

  mountOrFail("/dev", "dev", "m/dev", "tmpfs", NOSUID, "mode=755,size=64k");
  for (kj::StringPtr name : {"null"_kj, "zero"_kj, "full"_kj, "random"_kj, "urandom"_kj, "tty"_kj}) {
    auto target = kj::str("m/dev/", name);
    int fd = open(target.cStr(), O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0) failStep(kj::str("make ", target));
    close(fd);
    mountOrFail(kj::str("/dev/", name), kj::str("/dev/", name).cStr(), target, nullptr, BIND,
                nullptr);
  }
  if (mkdir("m/dev/pts", 0755) < 0 || mkdir("m/dev/shm", 01777) < 0) failStep("make /dev/pts");
  mountOrFail("/dev/pts", "devpts", "m/dev/pts", "devpts", NOSUID | NOEXEC,
              "newinstance,ptmxmode=0666,mode=0620");
  mountOrFail("/dev/shm", "shm", "m/dev/shm", "tmpfs", NOSUID | NODEV, "mode=1777,size=256m");
  constexpr const char* LINKS[][2] = {{"pts/ptmx", "m/dev/ptmx"},
                                      {"/proc/self/fd", "m/dev/fd"},
                                      {"/proc/self/fd/0", "m/dev/stdin"},
                                      {"/proc/self/fd/1", "m/dev/stdout"},
                                      {"/proc/self/fd/2", "m/dev/stderr"}};
  for (auto& link : LINKS) {
    if (symlink(link[0], link[1]) < 0) failStep(kj::str("make ", link[1]));
  }

  for (kj::StringPtr name : {"kcore"_kj, "keys"_kj, "kmsg"_kj, "sysrq-trigger"_kj, "timer_list"_kj}) {
    auto target = kj::str("m/proc/", name);
    if (exists(target)) {
      mountOrFail(kj::str("the mask of /proc/", name), "/dev/null", target, nullptr, BIND, nullptr);
    }
  }
  for (kj::StringPtr name : {"acpi"_kj, "scsi"_kj, "bus"_kj, "fs"_kj, "irq"_kj}) {
    auto target = kj::str("m/proc/", name);
    if (!isFolder(target)) continue;
    if (name == "acpi" || name == "scsi") {
      mountOrFail(kj::str("the mask of /proc/", name), "tmpfs", target, "tmpfs", RDONLY | NOSUID,
                  "size=4k");
    } else {
      bindReadOnly(target, target, MOUNT_ATTR_NOEXEC);
    }
  }
  bindReadOnly("m/proc/sys", "m/proc/sys", MOUNT_ATTR_NOEXEC);

  if (chdir("m") < 0 || syscall(SYS_pivot_root, ".", ".") < 0) failStep("pivot_root");
  if (umount2(".", DETACH) < 0) failStep("unmount the old root");
  if (chdir("/workspace") < 0) failStep("enter /workspace");
}

}  // namespace sandbridge::localcloud
