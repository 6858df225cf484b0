// Changing the network of a running box: see networkMain().

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kj/io.h>

#include "launch-spec.h"
#include "mounts.h"
#include "network-spec.h"
#include "packet-filter.h"
#include "slirp.h"

namespace sandbridge::localcloud {

namespace {

// As the kernel tells it of a pidfd; 0 or less when the process has ended.
pid_t processOf(int pidfd) {
  kj::FdInputStream in(kj::AutoCloseFd(open(kj::str("/proc/self/fdinfo/", pidfd).cStr(), O_RDONLY | O_CLOEXEC)));
  auto text = in.readAllText();
  constexpr auto KEY = "\nPid:"_kj;
  const char* found = strstr(text.cStr(), KEY.cStr());
  return found == nullptr ? -1 : static_cast<pid_t>(strtol(found + KEY.size(), nullptr, 10));
}

void requireAlive(int boxFd) {
  pollfd ended = {boxFd, POLLIN, 0};
  if (poll(&ended, 1, 0) == 0) return;
  errno = ESRCH;
  failStep("the box has ended");
}

// In a child, because who enters another user namespace cannot come back. True when the box has its interface already.
bool setRules(int boxFd, const NetworkSpec& spec) {
  int answer[2];
  if (pipe2(answer, O_CLOEXEC) < 0) failStep("pipe");
  pid_t child = fork();
  if (child < 0) failStep("fork to enter the network of the box");
  if (child == 0) {
    LaunchFailure result{kj::str(""), 0};
    try {
      // Root has its rights over the network from outside, and would have none in the box's user namespace.
      int which = geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET;
      if (setns(boxFd, which) < 0) failStep("enter the network of the box");
      bool up = if_nametoindex(NETWORK_INTERFACE.cStr()) != 0;
      try {
        filterPackets(spec);
      } catch (LaunchFailure&) {
        if (spec.internet || up) throw;  // else there is nothing to filter
      }
      if (up) result.step = kj::str("up");
    } catch (LaunchFailure& failure) {
      result = kj::mv(failure);
    }
    if (write(answer[1], &result.error, sizeof result.error) < 0 ||
        write(answer[1], result.step.begin(), result.step.size()) < 0) {
      _exit(1);
    }
    _exit(0);
  }
  close(answer[1]);
  kj::FdInputStream in((kj::AutoCloseFd(answer[0])));
  int error = EIO;
  if (in.tryRead(&error, sizeof error, sizeof error) < sizeof error) error = EIO;
  auto step = in.readAllText();
  waitpid(child, nullptr, 0);
  if (error != 0) throw LaunchFailure{kj::mv(step), error};
  return step == "up";
}

void attachNetwork(int boxFd) {
  // The end of the pipe that only the daemon holds tells slirp4netns that the box has ended. Its other end is made again here.
  kj::AutoCloseFd held(static_cast<int>(syscall(SYS_pidfd_getfd, boxFd, FD_NETWORK, 0)));
  struct stat kind;
  if (held == nullptr || fstat(held, &kind) < 0) failStep("find the pipe to slirp4netns in the box");
  if (!S_ISFIFO(kind.st_mode)) {
    errno = ENOTSUP;
    failStep("the box was started by an older version, without a place for slirp4netns: start it again");
  }
  kj::AutoCloseFd exit(open(kj::str("/proc/self/fd/", held.get()).cStr(), O_RDONLY | O_CLOEXEC));
  if (exit == nullptr) failStep("open the pipe to slirp4netns");
  held = nullptr;  // else slirp4netns would have an end of its own that never closes

  pid_t box = processOf(boxFd);
  requireAlive(boxFd);
  auto slirp = startSlirp(box, exit);
  waitForSlirp(slirp);
  // The number was the box's all the time if it is now.
  try {
    requireAlive(boxFd);
  } catch (LaunchFailure&) {
    kill(slirp.process, SIGKILL);
    throw;
  }
}

}  // namespace

int networkMain(int resultFd, int boxFd, NetworkSpec spec) {
  auto text = kj::str("ok");
  try {
    fcntl(resultFd, F_SETFD, FD_CLOEXEC);
    fcntl(boxFd, F_SETFD, FD_CLOEXEC);
    requireAlive(boxFd);
    // First, so that nothing passes before them.
    bool up = setRules(boxFd, spec);
    if (spec.internet && !up) attachNetwork(boxFd);
  } catch (LaunchFailure& failure) {
    text = kj::str("error ", failure.step, ": ", strerror(failure.error));
  }
  return send(resultFd, text.begin(), text.size(), MSG_NOSIGNAL) < 0;
}

}  // namespace sandbridge::localcloud
