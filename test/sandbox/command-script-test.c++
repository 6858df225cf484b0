// Runs commands by the helper and by the shells of this machine, as a sandbox's daemon would, and
// checks that what a command prints comes back byte by byte.
#include "sandbox/command-script.h"

#include "base/error.h"
#include "sandbox/helper-fixture.h"

#include <kj/async-unix.h>
#include <kj/debug.h>
#include <kj/io.h>
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace sandbridge;
using tensorlake::ProcessEvent;

namespace {

enum class Way { HELPER, SHELL };

Way bothWays() { return GENERATE(Way::HELPER, Way::SHELL); }

struct Result {
  uint32_t group = 0;
  kj::String out, err, complaint, workdir;
  kj::Maybe<ExitStatus> status;
  bool complete = false;
  pid_t process = 0;  // when it is left
};

// Starts `request` and hands its lines, as they come, to `onLine`; the daemon's loss of trailing
// newlines included. Returns when both streams have ended; the process is to be waited for.
pid_t readRequest(const tensorlake::ProcessRequest& request,
                kj::Function<void(const ProcessEvent&)> onLine, kj::StringPtr shell = nullptr) {
  int outPipe[2], errPipe[2];
  KJ_SYSCALL(pipe2(outPipe, O_CLOEXEC));
  KJ_SYSCALL(pipe2(errPipe, O_CLOEXEC));
  pid_t child;
  KJ_SYSCALL(child = fork());
  if (child == 0) {
    setsid();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(SIGPIPE, SIG_DFL);
    dup2(outPipe[1], 1);
    dup2(errPipe[1], 2);
    if (chdir(request.workingDir.cStr()) < 0) _exit(99);
    kj::Vector<char*> argv;
    if (shell.size() > 0) {
      argv.add(const_cast<char*>(shell.cStr()));
    } else {
      argv.add(const_cast<char*>(request.command.cStr()));
    }
    for (auto& arg : request.args) argv.add(const_cast<char*>(arg.cStr()));
    argv.add(nullptr);
    execvp(argv[0], argv.begin());
    _exit(98);
  }
  close(outPipe[1]);
  close(errPipe[1]);
  kj::AutoCloseFd outEnd(outPipe[0]), errEnd(errPipe[0]);
  kj::Vector<char> partial[2];
  struct pollfd fds[2] = {{outEnd.get(), POLLIN, 0}, {errEnd.get(), POLLIN, 0}};
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    KJ_SYSCALL(poll(fds, 2, -1));
    for (int i : {0, 1}) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      char buffer[65536];
      ssize_t n;
      KJ_SYSCALL(n = read(fds[i].fd, buffer, sizeof(buffer)));
      if (n == 0) fds[i].fd = -1;
      for (ssize_t k = 0; k < n; ++k) {
        if (buffer[k] != '\n') {
          partial[i].add(buffer[k]);
          continue;
        }
        ProcessEvent event{i == 0 ? ProcessEvent::STDOUT_LINE : ProcessEvent::STDERR_LINE};
        event.line = kj::heapString(partial[i].asPtr());
        partial[i].clear();
        onLine(event);
      }
    }
  }
  CHECK(partial[0].size() == 0);
  CHECK(partial[1].size() == 0);
  return child;
}

void runRequest(const tensorlake::ProcessRequest& request,
                kj::Function<void(const ProcessEvent&)> onLine) {
  KJ_SYSCALL(waitpid(readRequest(request, kj::mv(onLine)), nullptr, 0));
}

tensorlake::ProcessRequest requestFor(const WorkspaceCommand& command, Way way,
                                      kj::StringPtr workdir = "/tmp",
                                      kj::StringPtr root = "/tmp") {
  if (way == Way::SHELL) return commandRequest(command, workdir, root);
  auto id = newOperationId();
  return theHelper().adapt(helperRequest(command, workdir, root, HelperCall{id}));
}

enum class End { WAITED_FOR, LEFT };

Result run(WorkspaceCommand command, Way way, kj::StringPtr workdir = "/tmp",
           kj::StringPtr root = "/tmp", kj::StringPtr shell = nullptr, End end = End::WAITED_FOR) {
  Result result;
  CommandOutput output(command.mergeStderr);
  kj::Vector<char> out, err;
  result.process = readRequest(
      requestFor(command, way, workdir, root),
      [&](const ProcessEvent& event) {
        auto step = output.take(event);
        if (step.kind == CommandOutput::STDOUT) out.addAll(step.bytes.asChars());
        if (step.kind == CommandOutput::STDERR) err.addAll(step.bytes.asChars());
        if (step.kind == CommandOutput::NO_WORKDIR) result.workdir = kj::mv(step.word);
      },
      shell);
  if (end == End::WAITED_FOR) {
    KJ_SYSCALL(waitpid(result.process, nullptr, 0));
  }
  result.out = kj::heapString(out.asPtr());
  result.err = kj::heapString(err.asPtr());
  result.group = output.group();
  result.complaint = kj::heapString(output.complaint());
  result.status = output.status();
  result.complete = output.complete();
  return result;
}

WorkspaceCommand shellCommand(kj::StringPtr text, bool merge = false) {
  WorkspaceCommand command;
  command.argv = kj::arr(kj::str("sh"), kj::str("-c"), kj::heapString(text));
  command.mergeStderr = merge;
  return command;
}

void checkExit(const Result& result, ExitStatus::Kind kind, unsigned value) {
  CHECK(result.complete);
  CHECK(result.complaint == "");
  CHECK(KJ_ASSERT_NONNULL(result.status).kind == kind);
  CHECK(KJ_ASSERT_NONNULL(result.status).value == value);
}

}  // namespace

TEST_CASE("a command's output comes back byte by byte, whatever bytes it is") {
  auto way = bothWays();
  for (bool merge : {false, true}) {
    auto result =
        run(shellCommand("printf 'a\\0b\\377\\r\\n\\n\\n'; printf 'no newline'", merge), way);
    checkExit(result, ExitStatus::EXITED, 0);
    CHECK(result.out == kj::StringPtr("a\0b\377\r\n\n\nno newline", 18));
    CHECK(result.err == "");
  }
}

TEST_CASE("every length around the chunk size survives") {
  auto way = bothWays();
  for (int size : {0, 1, 2, 3, 32767, 32768, 32769, 65536, 200001}) {
    auto result = run(shellCommand(kj::str("yes 0123456789ab | head -c ", size), true), way);
    checkExit(result, ExitStatus::EXITED, 0);
    REQUIRE(result.out.size() == static_cast<size_t>(size));
    bool same = true;
    for (size_t i = 0; i < result.out.size(); ++i)
      same = same && result.out[i] == "0123456789ab\n"[i % 13];
    CHECK(same);
  }
}

TEST_CASE("stdout and stderr stay apart unless they are merged") {
  auto way = bothWays();
  auto apart = run(shellCommand("echo out; echo err >&2; echo out2"), way);
  CHECK(apart.out == "out\nout2\n");
  CHECK(apart.err == "err\n");
  auto merged = run(shellCommand("echo out; echo err >&2; echo out2", true), way);
  CHECK(merged.out == "out\nerr\nout2\n");
}

TEST_CASE("large outputs on both streams at once do not mix") {
  auto way = bothWays();
  auto result =
      run(shellCommand("yes a | head -c 1000000 & yes b | head -c 1000000 >&2; wait"), way);
  checkExit(result, ExitStatus::EXITED, 0);
  CHECK(result.out.size() == 1000000);
  CHECK(result.err.size() == 1000000);
  CHECK(result.out.findFirst('b') == nullptr);
  CHECK(result.err.findFirst('a') == nullptr);
}

TEST_CASE("the exit code is the command's own") {
  auto way = bothWays();
  checkExit(run(shellCommand("exit 3"), way), ExitStatus::EXITED, 3);
  checkExit(run(shellCommand("exit 127", true), way), ExitStatus::EXITED, 127);
}

TEST_CASE(
    "a shell that is killed by a signal is reported at once, and nothing is added to its output") {
  checkExit(run(shellCommand("echo a; kill -9 $$", true), Way::HELPER), ExitStatus::SIGNALED,
            9);
  auto result = run(shellCommand("echo a; kill -9 $$", true), Way::SHELL);
  checkExit(result, ExitStatus::EXITED, 137);
  CHECK(result.out == "a\n");
}

TEST_CASE("a command that kills its whole process group still has its end reported") {
  auto way = bothWays();
  for (kj::StringPtr name : {"TERM"_kj, "KILL"_kj, "INT"_kj}) {
    auto result = run(shellCommand(kj::str("echo a; kill -", name, " 0; sleep 60"), true), way);
    CHECK(result.complete);
    CHECK(result.out == "a\n");
    unsigned number = name == "TERM" ? 15 : name == "KILL" ? 9 : 2;
    CHECK(KJ_ASSERT_NONNULL(result.status).shellCode() == 128 + number);
  }
}

TEST_CASE("the end waits for background processes that hold the output") {
  auto way = bothWays();
  auto result = run(shellCommand("(sleep 0.3; echo late) & echo early", true), way);
  checkExit(result, ExitStatus::EXITED, 0);
  CHECK(result.out == "early\nlate\n");
}

TEST_CASE(
    "a background process that let go of the output lives on after success and is ended after "
    "failure") {
  auto way = bothWays();
  int code = GENERATE(0, 1);
  KJ_SYSCALL(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
  KJ_DEFER(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0));
  auto result =
      run(shellCommand(kj::str("sleep 60 >/dev/null 2>&1 & echo $!; exit ", code), true), way,
          "/tmp", "/tmp", nullptr, End::LEFT);
  checkExit(result, ExitStatus::EXITED, code);
  pid_t background = atoi(result.out.cStr());
  REQUIRE(background > 1);
  auto alive = [&]() { return kill(background, 0) == 0; };
  if (code == 0) {
    CHECK(alive());
    if (way == Way::SHELL) {
      // The script stays: where a run's descendants end with it, it would take this one along.
      usleep(200000);
      CHECK(waitpid(result.process, nullptr, WNOHANG) == 0);
    }
    kill(background, SIGKILL);
    // Of the keeper, or, orphaned, of the test.
    if (way == Way::SHELL) {
      KJ_SYSCALL(waitpid(background, nullptr, 0));
    }
    KJ_SYSCALL(waitpid(result.process, nullptr, 0));
  } else {
    KJ_SYSCALL(waitpid(result.process, nullptr, 0));
    // It becomes a zombie of init, or of whoever adopts it, before it is gone.
    auto state = kj::str("/proc/", background, "/stat");
    bool gone = false;
    for (int i = 0; i < 200 && !gone; ++i) {
      if (!alive()) {
        gone = true;
      } else if (auto file = fopen(state.cStr(), "r")) {
        char status = 0;
        gone = fscanf(file, "%*d (%*[^)]) %c", &status) == 1 && status == 'Z';
        fclose(file);
      }
      usleep(10000);
    }
    CHECK(gone);
  }
}

TEST_CASE("the group in the first line is the command's own") {
  auto way = bothWays();
  auto result = run(shellCommand("ps -o pgid= -p $$ | tr -d ' \\n'", true), way);
  CHECK(result.out == kj::str(result.group));
}

TEST_CASE(
    "ending the group ends children that ignore SIGTERM, and keeps what is printed while dying") {
  auto way = bothWays();
  auto command = shellCommand(
      "trap 'echo dying' TERM; (trap '' TERM; exec sleep 60) & echo ready; "
      "while :; do wait; done",
      true);
  CommandOutput output(true);
  kj::Vector<char> out;
  runRequest(requestFor(command, way), [&](const ProcessEvent& event) {
    auto step = output.take(event);
    if (step.kind != CommandOutput::STDOUT) return;
    bool first = out.size() == 0;
    out.addAll(step.bytes.asChars());
    if (first) {
      runRequest(way == Way::SHELL ? endRequest(output.group())
                               : theHelper().adapt(helperEndRequest(output.group())),
                 [](const ProcessEvent&) {});
    }
  });
  CHECK(output.complete());
  CHECK(KJ_ASSERT_NONNULL(output.status()).shellCode() == 137);
  CHECK(kj::heapString(out.asPtr()) == "ready\ndying\n");
}

TEST_CASE("SIGINT reaches a command as in a terminal") {
  auto way = bothWays();
  auto command = shellCommand("echo ready; exec sleep 60", true);
  CommandOutput output(true);
  runRequest(requestFor(command, way), [&](const ProcessEvent& event) {
    if (output.take(event).kind == CommandOutput::STDOUT) {
      runRequest(way == Way::SHELL
                     ? signalRequest(output.group(), SIGINT)
                     : theHelper().adapt(helperSignalRequest(output.group(), SIGINT)),
                 [](const ProcessEvent&) {});
    }
  });
  CHECK(output.complete());
  CHECK(KJ_ASSERT_NONNULL(output.status()).shellCode() == 130);
}

TEST_CASE("arguments and variables are data") {
  auto way = bothWays();
  WorkspaceCommand command;
  command.argv =
      kj::arr(kj::str("sh"), kj::str("-c"), kj::str("printf '%s|' \"$ODD\" \"$PATH\" \"$@\""),
              kj::str("sh"), kj::str("$(echo x)"), kj::str("-n"), kj::str("a'b\"c\nd\\"),
              kj::str(""), kj::str("*"), kj::str("ä=b"));
  command.environment = kj::arr(EnvironmentVariable{kj::str("ODD"), kj::str("`id` $HOME;\n'")},
                                EnvironmentVariable{kj::str("PATH"), kj::str("/bin:/usr/bin=1")});
  auto result = run(kj::mv(command), way);
  checkExit(result, ExitStatus::EXITED, 0);
  CHECK(result.out == "`id` $HOME;\n'|/bin:/usr/bin=1|$(echo x)|-n|a'b\"c\nd\\||*|ä=b|");
}

TEST_CASE("a program that does not exist is exit code 127 with a text") {
  auto way = bothWays();
  WorkspaceCommand command;
  command.argv = kj::arr(kj::str("no-such-program"));
  auto result = run(kj::mv(command), way);
  checkExit(result, ExitStatus::EXITED, 127);
  CHECK(strstr(result.err.cStr(), "no-such-program") != nullptr);
}

TEST_CASE(
    "a missing working directory and a file in its place are told apart; the workspace itself is "
    "made") {
  auto way = bothWays();
  CHECK(run(shellCommand("true"), way, "/tmp/no such dir '\"").workdir == "missing");
  CHECK(run(shellCommand("true"), way, "/etc/passwd").workdir == "file");
  char base[] = "/tmp/sandbridge-test-XXXXXX";
  REQUIRE(mkdtemp(base) != nullptr);
  auto root = kj::str(base, "/a b/root");
  auto result = run(shellCommand("pwd"), way, root, root);
  CHECK(result.out == kj::str(root, "\n"));
  rmdir(root.cStr());
  rmdir(kj::str(base, "/a b").cStr());
  rmdir(base);
}

TEST_CASE("standard input is at its end") {
  auto way = bothWays();
  auto result = run(shellCommand("cat; echo end"), way);
  CHECK(result.out == "end\n");
}

TEST_CASE("what cannot be an argument list is refused before it is sent") {
  auto kind = [](WorkspaceCommand command) {
    try {
      commandRequest(command, "/tmp", "/tmp");
      return ErrorKind::FAILED;
    } catch (kj::Exception& e) {
      return kindOf(e);
    }
    return ErrorKind::FAILED;
  };
  CHECK(kind(WorkspaceCommand()) == ErrorKind::INVALID_ARGUMENT);
  CHECK(kind(shellCommand(kj::StringPtr("a\0b", 3))) == ErrorKind::INVALID_ARGUMENT);
  CHECK(kind(shellCommand("\xff")) == ErrorKind::INVALID_ARGUMENT);
  CHECK(kind(shellCommand(kj::heapString(200000))) == ErrorKind::INVALID_ARGUMENT);
  auto command = shellCommand("true");
  command.environment = kj::arr(EnvironmentVariable{kj::str("A=B"), kj::str("c")});
  CHECK(kind(kj::mv(command)) == ErrorKind::INVALID_ARGUMENT);
}

TEST_CASE("a lost line is noticed and a repeated one is skipped") {
  auto line = [](kj::StringPtr text) {
    return ProcessEvent{ProcessEvent::STDOUT_LINE, kj::heapString(text)};
  };
  CommandOutput output(true);
  CHECK(output.take(line("p 42")).kind == CommandOutput::STARTED);
  CHECK(output.take(line("d 0 YQ==")).kind == CommandOutput::STDOUT);
  CHECK(output.take(line("d 0 YQ==")).kind == CommandOutput::NOTHING);
  CHECK_THROWS(output.take(line("d 2 YQ==")));
  CHECK(output.take(line("d 1 YQ==")).kind == CommandOutput::STDOUT);
  CHECK_THROWS(output.take(line("e 3")));
  CHECK_FALSE(output.complete());
  output.take(line("e 2"));
  CHECK_FALSE(output.complete());
  CHECK(output.take(line("x 7")).kind == CommandOutput::ENDED);
  CHECK(output.complete());
}

TEST_CASE("how much of the input was taken never goes back") {
  CommandOutput output(false);
  auto take = [&](ProcessEvent::Kind kind, kj::StringPtr text) {
    return output.take(ProcessEvent{kind, kj::heapString(text)}).kind;
  };
  CHECK(output.inputTaken() == 0);
  CHECK(take(ProcessEvent::STDOUT_LINE, "i 4096") == CommandOutput::INPUT_TAKEN);
  CHECK(take(ProcessEvent::STDOUT_LINE, "i 17") == CommandOutput::INPUT_TAKEN);
  CHECK(output.inputTaken() == 4096);
  CHECK(take(ProcessEvent::STDERR_LINE, "i 5000") == CommandOutput::NOTHING);
  CHECK(take(ProcessEvent::STDOUT_LINE, "i -1") == CommandOutput::NOTHING);
  CHECK(output.inputTaken() == 4096);
}

TEST_CASE("a process group that is not the command's own is never believed") {
  CommandOutput output(true);
  for (kj::StringPtr text : {"p 0"_kj, "p 1"_kj, "p -1"_kj, "p 99999999999"_kj, "p "_kj}) {
    output.take(ProcessEvent{ProcessEvent::STDOUT_LINE, kj::heapString(text)});
    CHECK(output.group() == 0);
  }
}

TEST_CASE("a status that no process can have is not believed, and a complaint stays short") {
  CommandOutput output(true);
  auto take = [&](kj::StringPtr text) {
    return output.take(ProcessEvent{ProcessEvent::STDOUT_LINE, kj::heapString(text)}).kind;
  };
  CHECK(take("x 4294967296") == CommandOutput::NOTHING);
  CHECK(take("k 256") == CommandOutput::NOTHING);
  CHECK(output.status() == nullptr);
  take(kj::str(kj::repeat('x', 1 << 20)));
  CHECK(output.complaint().size() < 5000);
  CHECK(take("x 255") == CommandOutput::ENDED);
}

TEST_CASE("the scripts work in every POSIX shell of this machine") {
  for (kj::StringPtr shell : {"dash"_kj, "bash"_kj}) {
    auto result = run(shellCommand("printf out; printf err >&2; exit 4"), Way::SHELL, "/tmp",
                      "/tmp", shell);
    checkExit(result, ExitStatus::EXITED, 4);
    CHECK(result.out == "out");
    CHECK(result.err == "err");
  }
}
