// The read-only layers that boxes share: see makeSkeleton() and makeMasks() in box-host.h.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <kj/debug.h>

#include "base/error.h"
#include "box-host.h"

namespace sandbridge::localcloud {

namespace {

void makeFolder(const BoxHost& host, kj::StringPtr path, mode_t mode, uid_t owner = 0) {
  if (mkdir(path.cStr(), 0700) < 0 && errno != EEXIST) KJ_FAIL_SYSCALL("mkdir", errno, path);
  KJ_SYSCALL(chmod(path.cStr(), mode), path);
  if (host.range) {
    uid_t shifted = host.uidBase + (owner < host.uidCount ? owner : 0);
    KJ_SYSCALL(lchown(path.cStr(), shifted, shifted), path);
  }
}

// What is hidden whatever its mode says: keys and connections that are no business of a sandbox.
constexpr const char* ALWAYS_HIDDEN[] = {
    "etc/ssh",        "etc/sudoers*",     "etc/*.keytab",         "etc/apt/auth.conf*",
    "etc/wireguard",  "etc/openvpn",      "etc/ipsec*",           "etc/ppp",
    "etc/kubernetes", "etc/docker",       "etc/containers/auth*", "etc/NetworkManager/system-connections",
    "etc/netplan",    "etc/krb5.keytab*", "etc/environment*",
};

// More than this in one folder of the host: hide it as a whole instead of looking at each file.
constexpr size_t MAX_SCANNED = 200000;


class Scanner {
 public:
  kj::Vector<kj::String> hidden;
  size_t seen = 0;

  void scan(kj::StringPtr path) {
    DIR* stream = opendir(kj::str("/", path).cStr());
    if (stream == nullptr) return;
    KJ_DEFER(closedir(stream));
    while (dirent* entry = readdir(stream)) {
      kj::StringPtr name = entry->d_name;
      if (name == "." || name == "..") continue;
      struct stat st;
      if (fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
      if (S_ISLNK(st.st_mode)) continue;
      auto child = kj::str(path, '/', name);
      seen++;
      bool open = S_ISDIR(st.st_mode) ? (st.st_mode & 05) == 05 : (st.st_mode & 04) != 0;
      if (!open || isAlwaysHidden(child)) {
        hidden.add(kj::mv(child));
      } else if (S_ISDIR(st.st_mode) && seen <= MAX_SCANNED) {
        scan(child);
      }
    }
  }

 private:
  static bool isAlwaysHidden(kj::StringPtr path) {
    // All of them are there, and most files are not; the patterns are what takes the time.
    if (!path.startsWith("etc/")) return false;
    for (const char* pattern : ALWAYS_HIDDEN) {
      if (fnmatch(pattern, path.cStr(), FNM_PATHNAME) == 0) return true;
    }
    return false;
  }
};

kj::Vector<kj::String> childrenOf(kj::StringPtr path) {
  kj::Vector<kj::String> result;
  DIR* stream = opendir(kj::str("/", path).cStr());
  if (stream == nullptr) return result;
  KJ_DEFER(closedir(stream));
  while (dirent* entry = readdir(stream)) {
    kj::StringPtr name = entry->d_name;
    if (name != "." && name != "..") result.add(kj::str(path, '/', name));
  }
  return result;
}

void removeTree(kj::StringPtr path) {
  sweepMain(path.cStr());
  rmdir(path.cStr());
}

}  // namespace

kj::String makeSkeleton(const BoxHost& host, kj::StringPtr dir) {
  auto root = kj::str(dir, "/skeleton");
  struct Entry {
    const char* path;
    mode_t mode;
  };
  constexpr Entry ENTRIES[] = {
      {"", 0755},          {"workspace", 0755},     {"tmp", 01777},
      {"root", 0700},      {"home", 0755},          {"run", 0755},
      {"proc", 0555},      {"sys", 0555},           {"dev", 0755},
      {"usr", 0755},       {"etc", 0755},           {"opt", 0755},
      {"mnt", 0755},       {"srv", 0755},           {"var", 0755},
      {"var/tmp", 01777},  {"var/lib", 0755},       {"var/lib/dpkg", 0755},
      {"var/lib/apt", 0755}, {"var/cache", 0755},   {"var/cache/debconf", 0755},
      {"var/cache/apt", 0755}, {"var/cache/apt/archives", 0755}, {"var/cache/apt/archives/partial", 0755},
      {"var/log", 0755},   {"var/log/apt", 0755},   {"var/spool", 0755},
  };
  for (auto& entry : ENTRIES) makeFolder(host, kj::str(root, '/', entry.path), entry.mode);
  for (kj::StringPtr name : {"bin"_kj, "sbin"_kj, "lib"_kj, "lib32"_kj, "lib64"_kj, "libx32"_kj}) {
    char target[256];
    auto source = kj::str("/", name);
    auto place = kj::str(root, '/', name);
    ssize_t n = readlink(source.cStr(), target, sizeof target - 1);
    if (n > 0) {
      target[n] = 0;
      if (symlink(target, place.cStr()) < 0 && errno != EEXIST) {
        KJ_FAIL_SYSCALL("symlink", errno, place);
      }
    } else if (access(source.cStr(), F_OK) == 0) {
      makeFolder(host, place, 0755);
    }
  }
  for (kj::StringPtr link : {"var/run"_kj, "var/lock"_kj}) {
    auto place = kj::str(root, '/', link);
    const char* target = link == "var/run" ? "/run" : "/run/lock";
    if (symlink(target, place.cStr()) < 0 && errno != EEXIST) {
      KJ_FAIL_SYSCALL("symlink", errno, place);
    }
  }
  return kj::str("skeleton");
}

kj::String makeMasks(const BoxHost& host, kj::StringPtr dir) {
  Scanner all;
  for (auto& piece : hostPieces()) {
    // The system's own programs are the same on every machine; what an administrator put beside them is looked at.
    kj::String path = piece.path == "usr" ? kj::str("usr/local") : kj::str(piece.path);
    if (piece.path == "bin" || piece.path == "sbin" || piece.path == "lib" || piece.path == "lib64") {
      continue;
    }
    Scanner scanner;
    scanner.scan(path);
    if (scanner.seen > MAX_SCANNED) scanner.hidden = childrenOf(path);
    for (auto& hidden : scanner.hidden) all.hidden.add(kj::mv(hidden));
  }
  uint64_t hash = 0xcbf29ce484222325u;
  for (auto& path : all.hidden) {
    for (char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    hash = (hash ^ 0xff) * 0x100000001b3u;
  }
  auto name = kj::str("masks-", kj::hex(hash));
  auto result = kj::str(dir, '/', name);
  struct stat st;
  if (stat(result.cStr(), &st) == 0) return name;

  auto making = kj::str(dir, "/making-masks");
  removeTree(making);
  makeFolder(host, making, 0755);
  for (auto& path : all.hidden) {
    // The longest piece that holds it: /var/lib/dpkg is a piece of its own.
    const Piece* home = nullptr;
    for (auto& piece : hostPieces()) {
      if (path.startsWith(kj::str(piece.path, '/'))) home = &piece;
    }
    if (home == nullptr) continue;
    auto place = kj::str(making, '/', home->layer);
    makeFolder(host, place, 0755);
    kj::StringPtr rest = path.slice(home->path.size() + 1);
    for (;;) {
      KJ_IF_MAYBE (slash, rest.findFirst('/')) {
        place = kj::str(place, '/', kj::heapString(rest.slice(0, *slash)));
        auto original = kj::str("/", home->path, place.slice(making.size() + 1 + home->layer.size()));
        struct stat like = {};
        mode_t mode = stat(original.cStr(), &like) == 0 ? like.st_mode & 07777 : 0755;
        makeFolder(host, place, mode, like.st_uid);
        rest = rest.slice(*slash + 1);
      } else {
        break;
      }
    }
    place = kj::str(place, '/', rest);
    // Overlayfs' sign for "deleted". Needs no privilege.
    if (mknod(place.cStr(), S_IFCHR, makedev(0, 0)) < 0 && errno != EEXIST) {
      throwError(ErrorKind::FAILED, kj::str("cannot make an overlay whiteout in ", dir, ": ",
                                            strerror(errno)));
    }
  }
  KJ_SYSCALL(rename(making.cStr(), result.cStr()), result);
  return name;
}

}  // namespace sandbridge::localcloud
