#include "slirp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <kj/vector.h>

#include "mounts.h"

namespace sandbridge::localcloud {

namespace {

constexpr int READY_TIMEOUT_MS = 8000;

}  // namespace

Slirp startSlirp(pid_t box, int exitFd) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) < 0) failStep("pipe");
  auto readyArgument = kj::str("--ready-fd=", ready[1]);
  auto exitArgument = kj::str("--exit-fd=", exitFd);
  auto userArgument = kj::str("--userns-path=/proc/", box, "/ns/user");
  auto pid = kj::str(box);
  kj::Vector<const char*> arguments;
  // --disable-host-loopback: without it 10.0.2.2 is the host's 127.0.0.1.
  for (const char* argument :
       {"slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", "--enable-sandbox",
        "--enable-seccomp"}) {
    arguments.add(argument);
  }
  arguments.add(readyArgument.cStr());
  arguments.add(exitArgument.cStr());
  // Root needs no other user namespace to enter the network's, and would have no rights in it.
  if (geteuid() != 0) arguments.add(userArgument.cStr());
  arguments.add(pid.cStr());
  arguments.add(NETWORK_INTERFACE.cStr());
  arguments.add(nullptr);

  pid_t child = fork();
  if (child < 0) failStep("fork for slirp4netns");
  if (child == 0) {
    fcntl(ready[1], F_SETFD, 0);
    fcntl(exitFd, F_SETFD, 0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++) dup2(null, fd);
    setsid();
    execvp("slirp4netns", const_cast<char**>(arguments.begin()));
    _exit(127);
  }
  close(ready[1]);
  return Slirp{child, ready[0]};
}

void waitForSlirp(const Slirp& slirp) {
  pollfd wait = {slirp.ready, POLLIN, 0};
  char byte;
  bool up = poll(&wait, 1, READY_TIMEOUT_MS) > 0 && read(slirp.ready, &byte, 1) == 1;
  if (!up) {
    kill(slirp.process, SIGKILL);
    errno = ETIMEDOUT;
    failStep("slirp4netns did not bring the network up");
  }
}

}  // namespace sandbridge::localcloud
