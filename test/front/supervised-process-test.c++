#include "front/supervised-process.h"

#include "base/coroutine.h"
#include "base/error.h"

#include <catch2/catch.hpp>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kj/debug.h>
#include <string>

namespace sandbridge {
namespace {

SupervisedProcess::Options shell(kj::StringPtr script) {
  SupervisedProcess::Options options;
  options.argv = kj::arr(kj::str("sh"), kj::str("-c"), kj::str(script));
  options.environment = kj::arr(kj::str("PATH=/usr/bin:/bin"), kj::str("GREETING=hello"));
  options.directory = kj::str("/tmp");
  return options;
}

bool isAlive(pid_t pid) {
  if (kill(pid, 0) < 0) return false;
  // A zombie that nobody has reaped yet is dead enough.
  auto file = fopen(kj::str("/proc/", pid, "/stat").cStr(), "r");
  if (file == nullptr) return false;
  KJ_DEFER(fclose(file));
  char state = 'Z';
  return fscanf(file, "%*d %*s %c", &state) == 1 && state != 'Z';
}

bool endsSoon(pid_t pid) {
  for (int i = 0; i < 1000 && isAlive(pid); i++) usleep(10000);
  return !isAlive(pid);
}

struct Fixture {
  kj::AsyncIoContext io = kj::setupAsyncIo();

  std::string readLine(SupervisedProcess& process) {
    std::string line;
    char c;
    while (process.output().tryRead(&c, 1, 1).wait(io.waitScope) == 1 && c != '\n') line += c;
    return line;
  }
};

TEST_CASE_METHOD(Fixture, "a process has its arguments, environment and directory, and its output is ours") {
  SupervisedProcess process(*io.lowLevelProvider, shell("echo $GREETING; pwd >&2; exit 7"));
  auto output = process.output().readAllText().wait(io.waitScope);
  CHECK(output == "hello\n/tmp\n");
  CHECK(process.onExit().wait(io.waitScope) == "exit code 7");
}

TEST_CASE_METHOD(Fixture, "a process that a signal ended says so") {
  SupervisedProcess process(*io.lowLevelProvider, shell("kill -9 $$"));
  CHECK(process.onExit().wait(io.waitScope) == "signal 9");
}

TEST_CASE_METHOD(Fixture, "a program that does not exist is NOT_FOUND at once") {
  for (auto name : {"no-such-program", "/no/such/program", "/tmp"}) {
    auto options = shell("");
    options.argv[0] = kj::str(name);
    auto e = kj::runCatchingExceptions(
        [&]() { SupervisedProcess process(*io.lowLevelProvider, kj::mv(options)); });
    CHECK(kindOf(KJ_ASSERT_NONNULL(e)) == ErrorKind::NOT_FOUND);
  }
}

TEST_CASE_METHOD(Fixture, "a program may be named by a relative path, although the process starts elsewhere") {
  char place[] = "/tmp/sandbridge-test-XXXXXX";
  KJ_ASSERT(mkdtemp(place) != nullptr);
  auto program = kj::str(place, "/program");
  KJ_DEFER({
    unlink(program.cStr());
    rmdir(place);
  });
  KJ_SYSCALL(symlink("/bin/sh", program.cStr()));
  char before[4096];
  KJ_ASSERT(getcwd(before, sizeof(before)) != nullptr);
  KJ_SYSCALL(chdir(place));
  KJ_DEFER(KJ_SYSCALL(chdir(before)));

  auto options = shell("pwd");
  options.argv[0] = kj::str("./program");
  options.directory = kj::str("/");
  SupervisedProcess process(*io.lowLevelProvider, kj::mv(options));
  CHECK(process.output().readAllText().wait(io.waitScope) == "/\n");
  CHECK(process.onExit().wait(io.waitScope) == "exit code 0");
}

TEST_CASE_METHOD(Fixture, "a directory that does not exist is reported") {
  auto options = shell("");
  options.directory = kj::str("/no/such/directory");
  SupervisedProcess process(*io.lowLevelProvider, kj::mv(options));
  CHECK(process.onExit().wait(io.waitScope) == "it could not be started: No such file or directory");
}

TEST_CASE_METHOD(Fixture, "a process inherits nothing that is open here") {
  int pipe[2];
  KJ_SYSCALL(::pipe(pipe));  // without CLOEXEC, as a careless library makes it
  KJ_DEFER(close(pipe[0]); close(pipe[1]));
  SupervisedProcess process(*io.lowLevelProvider, shell("ls /proc/$$/fd"));
  CHECK(process.output().readAllText().wait(io.waitScope) == "0\n1\n2\n");
}

TEST_CASE_METHOD(Fixture, "letting go of a process ends its children too, even those that ignore SIGTERM") {
  auto script = GENERATE("sleep 1000 & echo $!; wait", "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & wait");
  auto process = kj::heap<SupervisedProcess>(*io.lowLevelProvider, shell(script));
  auto pid = std::stoi(readLine(*process));
  CHECK(isAlive(pid));
  process = nullptr;
  CHECK(endsSoon(pid));
}

TEST_CASE_METHOD(Fixture, "when a process ends, what it left behind ends with it") {
  SupervisedProcess process(*io.lowLevelProvider, shell("sleep 1000 & echo $!"));
  auto pid = std::stoi(readLine(process));
  CHECK(process.onExit().wait(io.waitScope) == "exit code 0");
  CHECK(endsSoon(pid));
}

TEST_CASE("a process ends with us even if we are killed") {
  int pipe[2];
  KJ_SYSCALL(pipe2(pipe, O_CLOEXEC));
  KJ_DEFER(close(pipe[0]));
  pid_t bridge;
  KJ_SYSCALL(bridge = fork());
  if (bridge == 0) {
    auto io = kj::setupAsyncIo();
    SupervisedProcess process(*io.lowLevelProvider, shell("sleep 1000 & echo $!; wait"));
    char text[32] = {};
    auto n = process.output().tryRead(text, 1, sizeof(text) - 1).wait(io.waitScope);
    auto ignored = write(pipe[1], text, n);
    (void)ignored;
    for (;;) pause();
  }
  close(pipe[1]);
  char text[32] = {};
  REQUIRE(read(pipe[0], text, sizeof(text) - 1) > 0);
  auto pid = atoi(text);
  CHECK(isAlive(pid));
  KJ_SYSCALL(kill(bridge, SIGKILL));
  KJ_SYSCALL(waitpid(bridge, nullptr, 0));
  CHECK(endsSoon(pid));
}

}  // namespace
}  // namespace sandbridge
