#pragma once
// Servers of boxes in processes of their own: killed ones, and those of a plain user.

#include <grp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kj/async-io.h>
#include <kj/debug.h>
#include <kj/function.h>
#include <kj/io.h>

#include "localcloud/box.h"

namespace sandbridge::localcloud::test {

// Runs `serve` in a child process that is then killed like a crashing server.
inline void inKilledServer(kj::StringPtr folder,
                    kj::FunctionParam<void(kj::AsyncIoContext&, Boxes&)> serve) {
  int ready[2];
  KJ_SYSCALL(pipe(ready));
  pid_t child = fork();
  KJ_REQUIRE(child >= 0);
  if (child == 0) {
    try {
      auto io = kj::setupAsyncIo();
      auto boxes = newBoxes(io, folder).wait(io.waitScope);
      serve(io, *boxes);
      if (write(ready[1], "y", 1) == 1) pause();
    } catch (kj::Exception& e) {
      KJ_LOG(ERROR, e);
    }
    _exit(1);
  }
  close(ready[1]);
  char byte = 0;
  ssize_t n = read(ready[0], &byte, 1);
  close(ready[0]);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  KJ_REQUIRE(n == 1, "the server failed");
}

// Runs `body` in a child process; returns what it reports: empty if all is well.
inline kj::String inChild(kj::FunctionParam<kj::String()> body) {
  int pipes[2];
  KJ_SYSCALL(pipe(pipes));
  pid_t child = fork();
  KJ_REQUIRE(child >= 0);
  if (child == 0) {
    kj::String report;
    try {
      report = body();
    } catch (kj::Exception& e) {
      report = kj::str(e.getDescription());
    }
    if (write(pipes[1], report.begin(), report.size()) < 0) _exit(1);
    _exit(0);
  }
  close(pipes[1]);
  kj::FdInputStream in((kj::AutoCloseFd(pipes[0])));
  auto report = in.readAllText();
  int status;
  waitpid(child, &status, 0);
  KJ_REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child process crashed", status);
  return report;
}

// The same as uid 65534.
inline kj::String asPlainUser(kj::FunctionParam<kj::String()> body) {
  return inChild([&]() {
    bool isPlain = geteuid() != 0 || (setgroups(0, nullptr) == 0 && setresgid(65534, 65534, 65534) == 0 &&
                                      setresuid(65534, 65534, 65534) == 0);
    return isPlain ? body() : kj::str("could not become a plain user");
  });
}

}  // namespace sandbridge::localcloud::test
