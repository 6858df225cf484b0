#include "hardening.h"
#include "launch-spec.h"
#include "mounts.h"
#include "packet-filter.h"
#include "slirp.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kj/debug.h>

extern "C" int mount(const char*, const char*, const char*, unsigned long, const void*) noexcept;

namespace sandbridge::localcloud {

namespace {

constexpr unsigned long REC = 16384, PRIVATE = 1 << 18;

// The daemon answers within this, or the start has failed.
constexpr int READY_TIMEOUT_MS = 8000;

// The daemon's priority, where we may raise it: it answers, and can be asked to stop the commands, however many of them
// want the processor. They run at the ordinary one (daemon/spawn.c++).
constexpr int DAEMON_NICE = -15;

int bindSocket(const char* name) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) failStep("socket");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, name, sizeof address.sun_path - 1);
  if (unlink(name) < 0 && errno != ENOENT) failStep(kj::str("remove old ", name));
  mode_t old = umask(0177);
  int result = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  umask(old);
  if (result < 0) failStep(kj::str("bind ", name));
  return fd;
}

void writeText(kj::StringPtr path, kj::StringPtr text, kj::StringPtr step) {
  int fd = open(path.cStr(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) failStep(step);
  bool done = write(fd, text.begin(), text.size()) == static_cast<ssize_t>(text.size());
  int error = errno;
  close(fd);
  errno = error;
  if (!done) failStep(step);
}

bool tryWriteText(kj::StringPtr path, kj::StringPtr text) {
  int fd = open(path.cStr(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool done = write(fd, text.begin(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return done;
}

// The box's groups. The child is born in the v2 one and moved into the v1 ones: each move waits for the kernel's readers for
// some milliseconds, so a helper does it while the mounts are made.
class Groups {
 public:
  explicit Groups(const LaunchSpec& spec) : spec(spec) {
    for (auto& cgroup : spec.cgroups) {
      if (mkdir(cgroup.folder.cStr(), 0755) < 0 && errno != EEXIST) {
        failStep(kj::str("make cgroup ", cgroup.folder));
      }
      for (auto& limit : cgroup.limits) {
        tryWriteText(kj::str(cgroup.folder, '/', limit.file), limit.value);
      }
      if (cgroup.v2) {
        v2Fd = open(cgroup.folder.cStr(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (v2Fd < 0) failStep(kj::str("open cgroup ", cgroup.folder));
      }
      if (memoryFd < 0) {
        auto file = kj::str(cgroup.folder, cgroup.v2 ? "/memory.events" : "/memory.oom_control");
        memoryFd = open(file.cStr(), O_RDONLY | O_CLOEXEC);
      }
    }
  }
  ~Groups() {
    if (v2Fd >= 0) close(v2Fd);
    if (memoryFd >= 0) close(memoryFd);
  }

  void startMoving(pid_t child) {
    helper = fork();
    if (helper < 0) failStep("fork to join cgroups");
    if (helper > 0) return;
    try {
      for (auto& cgroup : spec.cgroups) {
        if (!cgroup.v2) {
          writeText(kj::str(cgroup.folder, "/cgroup.procs"), kj::str(child), "join cgroup");
        }
      }
    } catch (LaunchFailure& failure) {
      _exit(failure.error);
    }
    _exit(0);
  }

  // Before the daemon can start a command outside of the limits.
  void waitUntilMoved() {
    int status;
    while (waitpid(helper, &status, 0) < 0 && errno == EINTR) continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
    failStep("join the cgroups of the box");
  }

  int v2Fd = -1;
  int memoryFd = -1;  // counts what the kernel has killed for memory; none where no group has the controller

 private:
  const LaunchSpec& spec;
  pid_t helper = -1;
};

void mapIds(const LaunchSpec& spec, pid_t child) {
  auto proc = kj::str("/proc/", child, '/');
  kj::String uids, gids;
  if (spec.range) {
    uids = kj::str("0 ", spec.uidBase, ' ', spec.uidCount, '\n');
    gids = kj::str(uids);
  } else {
    writeText(kj::str(proc, "setgroups"), "deny", "write setgroups of the user namespace");
    uids = kj::str("0 ", getuid(), " 1\n");
    gids = kj::str("0 ", getgid(), " 1\n");
  }
  constexpr auto STEP =
      "write uid_map of the user namespace (on Ubuntu: "
      "kernel.apparmor_restrict_unprivileged_userns=1 forbids it)"_kj;
  writeText(kj::str(proc, "uid_map"), uids, STEP);
  writeText(kj::str(proc, "gid_map"), gids, STEP);
}

void moveFd(int from, int to) {
  if (from == to) {
    if (fcntl(from, F_SETFD, 0) < 0) failStep("keep a descriptor");
  } else if (dup2(from, to) < 0) {
    failStep("move a descriptor");
  }
}

void setUpNetwork(const NetworkSpec& network) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) failStep("socket");
  ifreq request = {};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(fd, SIOCSIFFLAGS, &request) < 0) failStep("bring lo up");
  close(fd);
  // Without internet there is nothing but lo.
  if (network.internet) filterPackets(network);
}

void limitProcesses(const LaunchSpec& spec) {
  rlimit processes = {spec.processes, spec.processes};
  if (setrlimit(RLIMIT_NPROC, &processes) < 0) failStep("limit of processes");
  // One byte: the only value that also keeps the kernel from handing a core to the host's handler.
  rlimit core = {1, 1};
  if (setrlimit(RLIMIT_CORE, &core) < 0) failStep("limit of cores");
}

struct Descriptors {
  int http, control, lock, status, log, log2, memory, network, image, go;
};

// Becomes the daemon. Runs as pid 1 of the new pid namespace.
[[noreturn]] void becomeDaemon(const LaunchSpec& spec, Descriptors fds) {
  char go;
  if (read(fds.go, &go, 1) != 1) _exit(1);  // the launcher has failed or is gone
  if (spec.range && setgroups(0, nullptr) < 0) failStep("setgroups");
  if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) failStep("become container root");
  if (unshare(CLONE_NEWNS) < 0) failStep("unshare mounts");
  if (mount(nullptr, "/", nullptr, REC | PRIVATE, nullptr) < 0) failStep("make mounts private");
  if (!spec.range) mountRoot(spec, -1);
  enterRoot(spec);

  if (sethostname(spec.id.begin(), spec.id.size()) < 0) failStep("set host name");
  setUpNetwork(spec.network);
  limitProcesses(spec);
  if (setsid() < 0) failStep("setsid");

  // Above the fixed numbers first, so that moving one does not close another.
  int* all[] = {&fds.http, &fds.control, &fds.lock, &fds.status, &fds.log, &fds.log2,
                &fds.memory, &fds.network, &fds.image};
  for (int* fd : all) {
    *fd = fcntl(*fd, F_DUPFD_CLOEXEC, 20);
    if (*fd < 0) failStep("move a descriptor");
  }
  moveFd(fds.http, FD_HTTP);
  moveFd(fds.control, FD_CONTROL);
  moveFd(fds.lock, FD_LOCK);
  moveFd(fds.status, FD_STATUS);
  moveFd(fds.log, FD_LOG);
  moveFd(fds.log2, FD_LOG_2);
  moveFd(fds.memory, FD_MEMORY);
  moveFd(fds.network, FD_NETWORK);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) failStep("open /dev/null");
  for (int fd = 0; fd <= 2; fd++) moveFd(null, fd);
  if (syscall(SYS_close_range, FD_NETWORK + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0) failStep("close_range");

  const char* step = harden();
  if (step != nullptr) failStep(step);

  kj::String instance = kj::str(spec.instance);
  char name[] = "sandbridge", mode[] = "serve";
  char* arguments[] = {name, mode, instance.begin(), nullptr};
  char* environment[] = {nullptr};
  syscall(SYS_execveat, fds.image, "", arguments, environment, AT_EMPTY_PATH);
  failStep("start the daemon (is vm.memfd_noexec=2 set?)");
}

void sendResult(int fd, kj::StringPtr text, int attached) {
  iovec part = {const_cast<char*>(text.begin()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (attached >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &attached, sizeof attached);
  }
  if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0) {
    // Nobody waits for this box any more.
    if (attached >= 0) syscall(SYS_pidfd_send_signal, attached, SIGKILL, nullptr, 0);
    _exit(1);
  }
}

kj::StringPtr cloneHint(int error) {
  if (error == ENOSPC || error == EPERM || error == ENOSYS) {
    return " (user namespaces are off: see user.max_user_namespaces, "
           "kernel.unprivileged_userns_clone, or the seccomp profile of the container around)"_kj;
  }
  return ""_kj;
}

int openLog(kj::StringPtr prefix, kj::StringPtr suffix) {
  auto path = prefix.size() == 0 ? kj::str("/dev/null") : kj::str(prefix, suffix);
  int fd = open(path.cStr(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) failStep("open the log");
  return fd;
}

// Returns the daemon's pidfd and fills `report`.
int launch(const LaunchSpec& spec, kj::String& report) {
  umask(022);
  if (chdir(spec.dir.cStr()) < 0) failStep(kj::str("enter ", spec.dir));
  if (spec.range && chown(".", spec.uidBase, spec.uidBase) < 0) failStep("chown of the folder");
  if (chmod(".", 0700) < 0) failStep("chmod of the folder");

  Descriptors fds = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  fds.lock = open("lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fds.lock < 0) failStep("open the lock");
  if (flock(fds.lock, LOCK_EX | LOCK_NB) < 0) failStep("lock: the box is running already");
  fds.log = openLog(spec.log, ".0");
  fds.log2 = openLog(spec.log, ".1");
  fds.http = bindSocket("http.sock");
  fds.control = bindSocket("control.sock");
  prepareFiles(spec);
  fds.image = open("/proc/self/exe", O_PATH | O_CLOEXEC);
  if (fds.image < 0) failStep("open the daemon's image");

  int go[2], status[2], networkExit[2];
  for (int* pipe : {go, status, networkExit}) {
    if (pipe2(pipe, O_CLOEXEC) < 0) failStep("pipe");
  }
  fds.go = go[0];
  fds.status = status[1];
  fds.network = networkExit[1];

  if (spec.range) {
    // Mounts live in this namespace only, so there is nothing to unmount, whatever happens.
    if (unshare(CLONE_NEWNS) < 0) failStep("unshare mounts");
    if (mount(nullptr, "/", nullptr, REC | PRIVATE, nullptr) < 0) failStep("make mounts private");
  }

  Groups cgroups(spec);
  fds.memory = cgroups.memoryFd >= 0 ? cgroups.memoryFd : open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (fds.memory < 0) failStep("open /dev/null");
  int pidfd = -1;
  clone_args arguments = {};
  arguments.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
                    CLONE_NEWNET | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  if (cgroups.v2Fd >= 0) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(cgroups.v2Fd);
  }
  pid_t child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child < 0) failStep(kj::str("clone3", cloneHint(errno)));
  if (child == 0) {
    // An own copy of the write end would keep an orphan waiting, and the lock held, for ever.
    close(go[1]);
    try {
      becomeDaemon(spec, fds);
    } catch (LaunchFailure& failure) {
      auto text = kj::str(failure.step, ": ", strerror(failure.error));
      if (write(fds.status, text.begin(), text.size()) < 0) _exit(2);
      _exit(1);
    }
  }
  close(fds.http);
  close(fds.control);
  close(fds.lock);
  close(fds.log);
  close(fds.log2);
  close(fds.go);
  close(fds.status);
  close(networkExit[1]);

  setpriority(PRIO_PROCESS, child, DAEMON_NICE);  // a plain user may not, and goes without

  bool writable = false;
  try {
    cgroups.startMoving(child);
    mapIds(spec, child);
    Slirp slirp;
    if (spec.network.internet) slirp = startSlirp(child, networkExit[0]);
    if (spec.range) {
      int userNamespace = open(kj::str("/proc/", child, "/ns/user").cStr(), O_RDONLY | O_CLOEXEC);
      if (userNamespace < 0) failStep("open the user namespace");
      writable = mountRoot(spec, userNamespace);
      close(userNamespace);
    }
    struct stat pidNamespace;
    if (stat(kj::str("/proc/", child, "/ns/pid").cStr(), &pidNamespace) < 0) {
      failStep("find the pid namespace");
    }
    if (write(go[1], "g", 1) != 1) failStep("go");

    // "ready", or the child's own failure.
    char text[1024];
    size_t size = 0;
    for (;;) {
      pollfd wait = {status[0], POLLIN, 0};
      if (poll(&wait, 1, READY_TIMEOUT_MS) <= 0) {
        errno = ETIMEDOUT;
        failStep("the daemon did not answer");
      }
      ssize_t n = read(status[0], text + size, sizeof text - 1 - size);
      if (n <= 0) break;
      size += n;
    }
    text[size] = 0;
    if (kj::StringPtr(text, size) != "ready"_kj) {
      throw LaunchFailure{size == 0 ? kj::str("the daemon ended at its start") : kj::str(text), 0};
    }
    // Not earlier: slirp4netns fails, too, when the child has, and the child knows why.
    if (spec.network.internet) waitForSlirp(slirp);
    cgroups.waitUntilMoved();
    report = kj::str("ok {\"pidNamespace\":", pidNamespace.st_ino, ",\"pid\":", child,
                     ",\"systemWritable\":", writable ? "true" : "false", "}");
    return pidfd;
  } catch (...) {
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
    waitpid(child, nullptr, 0);
    throw;
  }
}

}  // namespace

int launchMain(int resultFd, LaunchSpec spec) {
  try {
    kj::String report;
    int pidfd = launch(spec, report);
    sendResult(resultFd, report, pidfd);
    return 0;
  } catch (LaunchFailure& failure) {
    auto text = failure.error == 0 ? kj::str("error ", failure.step)
                                   : kj::str("error ", failure.step, ": ", strerror(failure.error));
    sendResult(resultFd, text, -1);
    return 1;
  }
}

}  // namespace sandbridge::localcloud
