#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sched.h>

#include <vector>

#include "launch-spec.h"
#include "mapped-files.h"
#include "snapshot-spec.h"
#include "tree-copy.h"

namespace sandbridge::localcloud {

namespace {

constexpr char INDEX_MAGIC[] = "sandbridge snapshot index 1\n";
constexpr size_t ID_SIZE = 21;

[[noreturn]] void fail(kj::StringPtr what) { throw CopyFailure{what.cStr(), errno}; }

// ------------------------------------------------------------------------------------------------
// The index: what the files of a box were when a snapshot was taken.

void writeAll(FILE* file, const void* bytes, size_t size) {
  if (size > 0 && fwrite(bytes, size, 1, file) != 1) fail("write the index");
}

void writeIndex(kj::StringPtr path, kj::StringPtr id, const FileMarks& marks) {
  FILE* file = fopen(path.cStr(), "wxe");
  if (file == nullptr) fail("write the index");
  try {
    writeAll(file, INDEX_MAGIC, sizeof INDEX_MAGIC - 1);
    writeAll(file, id.begin(), ID_SIZE);
    for (auto& mark : marks) {
      uint32_t size = mark.first.size();
      writeAll(file, &mark.second, sizeof mark.second);
      writeAll(file, &size, sizeof size);
      writeAll(file, mark.first.data(), size);
    }
  } catch (CopyFailure&) {
    fclose(file);
    throw;
  }
  if (fclose(file) != 0) fail("write the index");
}

struct Index {
  std::string id;  // empty: there is none that can be used
  FileMarks marks;
};

// One that is damaged counts as none: then everything is copied.
Index readIndex(kj::StringPtr path) {
  Index index;
  FILE* file = fopen(path.cStr(), "re");
  if (file == nullptr) return index;
  char magic[sizeof INDEX_MAGIC - 1], id[ID_SIZE];
  bool good = fread(magic, sizeof magic, 1, file) == 1 &&
              memcmp(magic, INDEX_MAGIC, sizeof magic) == 0 && fread(id, sizeof id, 1, file) == 1;
  FileMark mark;
  uint32_t size;
  std::string name;
  while (good && fread(&mark, sizeof mark, 1, file) == 1) {
    good = fread(&size, sizeof size, 1, file) == 1 && size > 0 && size < (1u << 20);
    if (!good) break;
    name.resize(size);
    good = fread(&name[0], size, 1, file) == 1;
    if (good) index.marks.emplace(name, mark);
  }
  for (char c : id) good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'));
  fclose(file);
  if (!good) return Index();
  index.id = std::string(id, sizeof id);
  return index;
}

// ------------------------------------------------------------------------------------------------
// Which files are mapped. Asked of a child that stays outside of the user namespace that the copy is made in: from inside
// of it, the box's processes could not be looked at.

class MappedFilesWatcher {
 public:
  explicit MappedFilesWatcher(uint64_t pidNamespace) {
    if (pidNamespace == 0) return;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) fail("make a socket");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      close(pair[0]);
      char byte;
      while (read(pair[1], &byte, 1) == 1) answer(pair[1], mappedFiles(pidNamespace));
      _exit(0);
    }
    close(pair[1]);
    socket = pair[0];
  }

  // As paths in the upper layer: "root/workspace/a".
  MappedFiles ask() {
    MappedFiles result;
    if (socket < 0) return result;
    if (write(socket, "?", 1) != 1) fail("look for mapped files");
    for (;;) {
      uint32_t size;
      receive(&size, sizeof size);
      if (size == 0) break;
      std::string path(size, 0);
      receive(&path[0], size);
      if (path == "?") {
        result.unknown = true;
      } else {
        result.paths.insert(inLayer(path));
      }
    }
    return result;
  }

 private:
  int socket = -1;

  static void answer(int fd, const MappedFiles& files) {
    std::string all;
    auto add = [&](const std::string& text) {
      uint32_t size = text.size();
      all.append(reinterpret_cast<char*>(&size), sizeof size);
      all += text;
    };
    if (files.unknown) add("?");
    for (auto& path : files.paths) add(path);
    add("");
    for (size_t at = 0; at < all.size();) {
      ssize_t n = write(fd, all.data() + at, all.size() - at);
      if (n <= 0) _exit(1);
      at += n;
    }
  }

  void receive(void* to, size_t size) {
    char* at = static_cast<char*>(to);
    while (size > 0) {
      ssize_t n = read(socket, at, size);
      if (n <= 0) fail("look for mapped files");
      at += n;
      size -= n;
    }
  }

  static std::string inLayer(const std::string& path) {
    const Piece* home = nullptr;
    for (auto& piece : hostPieces()) {
      auto prefix = kj::str('/', piece.path, '/');
      struct stat st;
      if (path.compare(0, prefix.size(), prefix.cStr()) == 0 &&
          lstat(kj::str('/', piece.path).cStr(), &st) == 0 && S_ISDIR(st.st_mode)) {
        home = &piece;  // the list has the longest last
      }
    }
    if (home == nullptr) return "root" + path;
    return std::string(home->layer.cStr()) + path.substr(home->path.size() + 1);
  }
};

// ------------------------------------------------------------------------------------------------

void writeText(const char* path, kj::StringPtr text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) fail(kj::str("open ", path));
  bool done = write(fd, text.begin(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  if (!done) fail(kj::str("write ", path));
}

// A plain user may not read each file of his own that a sandbox can make (mode 0): root of an own namespace may.
void becomeOwnRoot() {
  auto uid = geteuid(), gid = getegid();
  if (unshare(CLONE_NEWUSER) < 0) fail("make a user namespace");
  writeText("/proc/self/setgroups", "deny");
  writeText("/proc/self/uid_map", kj::str("0 ", uid, " 1"));
  writeText("/proc/self/gid_map", kj::str("0 ", gid, " 1"));
}

void raiseFileLimit() {
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

int openFolder(kj::StringPtr path) {
  int fd = open(path.cStr(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) fail(kj::str("open ", path));
  return fd;
}

// Ends the process when the server is gone.
void say(int socket, kj::StringPtr text) {
  if (send(socket, text.begin(), text.size(), MSG_NOSIGNAL) < 0) _exit(1);
}
void await(int socket, kj::StringPtr text) {
  char packet[64];
  ssize_t n;
  while ((n = recv(socket, packet, sizeof packet, 0)) < 0 && errno == EINTR) continue;
  if (n <= 0 || kj::StringPtr(kj::heapString(packet, n)) != text) _exit(1);
}

void takeSnapshot(int socket, const SnapshotSpec& spec) {
  MappedFilesWatcher mapped(spec.pidNamespace);
  if (!spec.range) becomeOwnRoot();
  raiseFileLimit();
  umask(0);

  int source = openFolder(kj::str(spec.box, "/upper"));
  auto files = kj::str(spec.making, "/files");
  if (mkdir(files.cStr(), 0755) < 0) fail("make the snapshot's folder");
  int target = openFolder(files);

  TreeCopy::Options options;
  options.keepOwners = spec.range;
  options.trust = stampsMappedWrites(source);
  Index index;
  if (options.trust) {
    index = readIndex(kj::str(spec.box, '/', SNAPSHOT_INDEX));
    if (!index.id.empty()) {
      // Gone when it was deleted: then nothing can be linked.
      options.previous =
          open(kj::str(spec.snapshots, '/', index.id.c_str(), "/files").cStr(),
               O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
      options.previousMarks = &index.marks;
    }
  }

  FileMarks kept;
  uint64_t copied = 0;
  if (spec.pidNamespace != 0) {
    if (options.trust) {
      auto hurried = options;
      hurried.tolerant = true;
      auto now = mapped.ask();
      hurried.trust = !now.unknown;
      hurried.suspects = kj::mv(now.paths);
      TreeCopy first(kj::mv(hurried));
      first.copy(source, target);
      kept = kj::mv(first.marks);
      copied = first.statistics.copied;
      options.keptMarks = &kept;
    }
    say(socket, "copied");
    await(socket, "paused");
    auto now = mapped.ask();
    options.trust = options.trust && !now.unknown;
    options.suspects = kj::mv(now.paths);
  }
  TreeCopy second(kj::mv(options));
  second.copy(source, target);
  say(socket, "taken");

  copied += second.statistics.copied;
  writeIndex(kj::str(spec.making, "/index"), spec.id, second.marks);
  say(socket, kj::str("done {\"bytes\":", second.statistics.bytes,
                      ",\"files\":", second.statistics.files, ",\"copied\":", copied, "}"));
}

}  // namespace

int snapshotMain(int socket, SnapshotSpec spec) {
  // Nothing may go on writing to files that the next server takes for left over.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  fcntl(socket, F_SETFD, FD_CLOEXEC);
  try {
    takeSnapshot(socket, spec);
    return 0;
  } catch (CopyFailure& failure) {
    auto text = failure.error == 0
                    ? kj::str("error ", failure.what.c_str())
                    : kj::str("error ", failure.what.c_str(), ": ", strerror(failure.error));
    say(socket, text);
    return 1;
  }
}

int syncMain(const char* folder) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd >= 0 && syncfs(fd) == 0 ? 0 : 1;
}

}  // namespace sandbridge::localcloud
