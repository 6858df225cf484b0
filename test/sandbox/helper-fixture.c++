#include "sandbox/helper-fixture.h"

#include <catch2/catch.hpp>
#include <kj/debug.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sandbridge {

TestHelper::TestHelper() {
  char name[] = "/tmp/sandbridge-test-XXXXXX";
  REQUIRE(mkdtemp(name) != nullptr);
  base = kj::str(name);
  auto directory = kj::str(base, "/a");
  file = kj::str(directory, "/helper");
  auto install = helperInstallRequest();
  pid_t pid;
  KJ_SYSCALL(pid = fork());
  if (pid == 0) {
    // The places of a sandbox, replaced by ours.
    setenv("HELPER", install.environmentValues[0].cStr(), 1);
    KJ_ASSERT(install.args.size() == 6);
    execlp("sh", "sh", "-c", install.args[1].cStr(), "sh", base.cStr(), directory.cStr(),
           file.cStr(), nullptr);
    _exit(98);
  }
  int status;
  KJ_SYSCALL(waitpid(pid, &status, 0));
  REQUIRE(status == 0);
  startKeeper();
}

TestHelper::~TestHelper() noexcept(false) {
  killKeeper();
  KJ_ASSERT(system(kj::str("rm -rf ", base).cStr()) == 0);
}

tensorlake::ProcessRequest TestHelper::adapt(tensorlake::ProcessRequest request) const {
  REQUIRE(request.command == helperPath());
  request.command = kj::str(file);
  return request;
}

void TestHelper::startKeeper() {
  KJ_SYSCALL(keeper = fork());
  if (keeper == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execl(file.cStr(), file.cStr(), "keeper", nullptr);
    _exit(98);
  }
  auto socket = kj::str(base, "/a/socket");
  struct stat st;
  for (int i = 0; stat(socket.cStr(), &st) < 0; ++i) {
    REQUIRE(i < 5000);
    usleep(1000);
  }
}

void TestHelper::killKeeper() {
  if (keeper == 0) return;
  kill(keeper, SIGKILL);
  waitpid(keeper, nullptr, 0);
  keeper = 0;
}

TestHelper& theHelper() {
  static TestHelper helper;
  return helper;
}

}  // namespace sandbridge
