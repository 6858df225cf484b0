#include "box-image.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kj/debug.h>
#include <kj/vector.h>

#include "base/error.h"

extern "C" {
extern const char sandbridge_daemon_image_begin[];
extern const char sandbridge_daemon_image_end[];
}

namespace sandbridge::localcloud {

namespace {

// Newer than Debian 12's headers; older kernels answer EINVAL.
constexpr unsigned MEMFD_EXEC = 0x10;
// Of <linux/pidfd.h> and <sys/wait.h>, which some libraries lack.
constexpr idtype_t BY_PIDFD = static_cast<idtype_t>(3);

kj::ArrayPtr<const char> image() {
  return kj::arrayPtr(sandbridge_daemon_image_begin, sandbridge_daemon_image_end);
}

// The kernel refuses while anything in it still refers to a page of the file, as it may do for a moment after a write (its own
// lists of pages, writeback).
void seal(int fd) {
  constexpr int ATTEMPTS = 40;
  constexpr useconds_t PAUSE_US = 50000;
  for (int attempt = 1;; attempt++) {
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0) return;
    if (errno != EBUSY || attempt == ATTEMPTS) {
      throwError(ErrorKind::FAILED, kj::str("the memory file of the sandboxes' daemon cannot be sealed: ", strerror(errno)));
    }
    usleep(PAUSE_US);
  }
}

}  // namespace

kj::String boxImageVersion() {
  // As FNV-1a, but by words, since each start of the server waits for it: against mix-ups, not
  // against people.
  uint64_t hash = 0xcbf29ce484222325u ^ image().size();
  for (size_t at = 0; at < image().size(); at += sizeof hash) {
    uint64_t word = 0;
    memcpy(&word, image().begin() + at, kj::min(sizeof word, image().size() - at));
    hash = (hash ^ word) * 0x100000001b3u;
    hash ^= hash >> 32;  // a multiplication alone carries nothing down
  }
  return kj::str(kj::hex(hash));
}

kj::AutoCloseFd makeBoxImage() {
  int fd = memfd_create("sandbridge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MEMFD_EXEC);
  if (fd < 0) fd = memfd_create("sandbridge", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) throwError(ErrorKind::FAILED, kj::str("memfd_create: ", strerror(errno)));
  kj::AutoCloseFd result(fd);
  kj::FdOutputStream(fd).write(image().begin(), image().size());
  KJ_SYSCALL(fchmod(fd, 0555));  // container root is nobody special to the memory file
  // Nobody inside a box can change what the next box runs.
  seal(fd);
  return result;
}

kj::AutoCloseFd spawnBoxImage(int image, kj::ArrayPtr<const kj::String> arguments, kj::ArrayPtr<const int> inherited) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  KJ_DEFER({
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  });
  for (int fd : {0, 1, 2}) {
    posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  }
  // Out of the way first, so that none takes the place of one that comes later.
  kj::Vector<kj::AutoCloseFd> moved;
  int place = 3;
  for (int fd : inherited) {
    int high;
    KJ_SYSCALL(high = fcntl(fd, F_DUPFD_CLOEXEC, 3 + inherited.size()));
    moved.add(kj::AutoCloseFd(high));
    posix_spawn_file_actions_adddup2(&actions, high, place++);
  }
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);

  auto path = kj::str("/proc/self/fd/", image);
  kj::Vector<char*> argv;
  char name[] = "sandbridge";
  argv.add(name);
  for (auto& argument : arguments) argv.add(const_cast<char*>(argument.cStr()));
  argv.add(nullptr);
  const char* hostPath = getenv("PATH");
  auto variable = kj::str("PATH=", hostPath == nullptr ? "/usr/sbin:/usr/bin:/sbin:/bin" : hostPath);
  char* environment[] = {variable.begin(), nullptr};
  pid_t pid;
  int error = posix_spawn(&pid, path.cStr(), &actions, &attributes, argv.begin(), environment);
  if (error != 0) {
    throwError(ErrorKind::FAILED,
               kj::str("cannot run the embedded launcher (is vm.memfd_noexec=2 set?): ",
                       strerror(error)));
  }
  int fd = syscall(SYS_pidfd_open, pid, 0);
  KJ_ASSERT(fd >= 0, "pidfd_open", strerror(errno));
  return kj::AutoCloseFd(fd);
}

void endChild(int pidfd) {
  constexpr int PATIENCE_MS = 1000;
  syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
  pollfd wait = {pidfd, POLLIN, 0};
  poll(&wait, 1, PATIENCE_MS);
  collect(pidfd);
}

bool collect(int pidfd) {
  siginfo_t info = {};
  if (waitid(BY_PIDFD, pidfd, &info, WEXITED | WNOHANG) < 0) return errno == ECHILD;
  return info.si_code == CLD_EXITED && info.si_status == 0;
}

}  // namespace sandbridge::localcloud
