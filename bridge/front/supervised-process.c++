#include "front/supervised-process.h"

#include "base/coroutine.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kj/debug.h>
#include <kj/vector.h>

namespace sandbridge {
namespace {

constexpr int TERM_GRACE_MS = 3000;

// What the supervisor tells us.
struct Report {
  enum Kind : int { STARTED_NOT, ENDED } kind;
  int value;  // errno, or the status of waitpid()
};

struct Pipe {
  kj::AutoCloseFd read, write;
  Pipe() {
    int fds[2];
    KJ_SYSCALL(pipe2(fds, O_CLOEXEC));
    read = kj::AutoCloseFd(fds[0]);
    write = kj::AutoCloseFd(fds[1]);
  }
};

// As seen from here: the process itself starts in a directory of its own.
kj::String absolute(kj::String path) {
  if (path.startsWith("/")) return path;
  char directory[PATH_MAX];
  KJ_SYSCALL(getcwd(directory, sizeof(directory)) == nullptr ? -1 : 0);
  return kj::str(directory, "/", path);
}

kj::String findProgram(kj::StringPtr name) {
  auto executable = [](kj::StringPtr path) {
    struct stat st;
    return stat(path.cStr(), &st) == 0 && S_ISREG(st.st_mode) && access(path.cStr(), X_OK) == 0;
  };
  if (name.findFirst('/') != nullptr) {
    if (executable(name)) return absolute(kj::str(name));
    throwError(ErrorKind::NOT_FOUND, kj::str("there is no program ", name));
  }
  auto path = getenv("PATH");
  kj::StringPtr rest = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
  for (;;) {
    auto colon = rest.findFirst(':');
    auto folder = kj::heapString(rest.slice(0, colon.orDefault(rest.size())));
    auto candidate = kj::str(folder.size() == 0 ? "."_kj : folder, "/", name);
    if (executable(candidate)) return absolute(kj::mv(candidate));
    KJ_IF_MAYBE (c, colon) {
      rest = rest.slice(*c + 1);
    } else {
      break;
    }
  }
  throwError(ErrorKind::NOT_FOUND, kj::str("there is no program ", name, " on the PATH"));
}

kj::Array<char*> pointers(kj::ArrayPtr<const kj::String> texts) {
  auto result = kj::heapArray<char*>(texts.size() + 1);
  for (size_t i = 0; i < texts.size(); i++) result[i] = const_cast<char*>(texts[i].cStr());
  result[texts.size()] = nullptr;
  return result;
}

// From here on code that runs in the forked processes. We have threads (libcurl's resolver), so only async-signal-safe
// functions may be called.

struct Plan {
  const char* program;
  char* const* argv;
  char* const* environment;
  const char* directory;
  int output, leash, status;
};

void tell(int fd, Report::Kind kind, int value) {
  Report report{kind, value};
  auto ignored = write(fd, &report, sizeof(report));
  (void)ignored;
}

void setSignals(void (*handler)(int)) {
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD}) {
    struct sigaction action {};
    action.sa_handler = signal == SIGCHLD ? SIG_DFL : handler;
    sigaction(signal, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void runChild(const Plan& plan) {
  setSignals(SIG_DFL);
  int nothing = open("/dev/null", O_RDONLY);
  if (nothing >= 0 && dup2(nothing, 0) >= 0 && dup2(plan.output, 1) >= 0 &&
      dup2(plan.output, 2) >= 0 && chdir(plan.directory) == 0) {
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    execve(plan.program, plan.argv, plan.environment);
  }
  tell(plan.status, Report::STARTED_NOT, errno);
  _exit(127);
}

[[noreturn]] void supervise(Plan plan) {
  setsid();
  setSignals(SIG_IGN);
  pid_t child = fork();
  if (child == 0) runChild(plan);
  if (child < 0) {
    tell(plan.status, Report::STARTED_NOT, errno);
    _exit(1);
  }
  // Keep nothing of the bridge open but our two pipes: moved out of the way, then down to 0 and 1.
  int leash = fcntl(plan.leash, F_DUPFD, 100), status = fcntl(plan.status, F_DUPFD, 100);
  dup2(leash, 0);
  dup2(status, 1);
  close_range(2, ~0u, 0);
  int childFd = syscall(SYS_pidfd_open, child, 0);
  pollfd fds[2] = {{0, POLLIN, 0}, {childFd, POLLIN, 0}};
  while (poll(fds, 2, -1) < 0 && errno == EINTR) {
  }
  if (fds[1].revents == 0) {
    kill(0, SIGTERM);
    pollfd ended = {childFd, POLLIN, 0};
    poll(&ended, 1, TERM_GRACE_MS);
  }
  int code = 0;
  if (waitpid(child, &code, WNOHANG) == child) tell(1, Report::ENDED, code);
  kill(0, SIGKILL);  // us too
  _exit(1);
}

}  // namespace

SupervisedProcess::SupervisedProcess(kj::LowLevelAsyncIoProvider& io, Options options) {
  KJ_REQUIRE(options.argv.size() > 0);
  auto program = findProgram(options.argv[0]);
  auto argv = pointers(options.argv), environment = pointers(options.environment);
  Pipe out, hold, status;
  Plan plan{program.cStr(),  argv.begin(),    environment.begin(), options.directory.cStr(),
            out.write.get(), hold.read.get(), status.write.get()};
  // Twice, so that the supervisor is nobody's child here and leaves no zombie for us.
  pid_t middle;
  KJ_SYSCALL(middle = fork());
  if (middle == 0) {
    auto supervisor = fork();
    if (supervisor == 0) supervise(plan);
    _exit(supervisor < 0 ? 1 : 0);
  }
  int code = 0;
  while (waitpid(middle, &code, 0) < 0 && errno == EINTR) {
  }
  if (code != 0) throwError(ErrorKind::FAILED, "no process can be started: out of processes or memory");
  constexpr auto FLAGS =
      kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP | kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC;
  leash = kj::mv(hold.write);
  outputStream = io.wrapInputFd(out.read.release(), FLAGS);
  statusStream = io.wrapInputFd(status.read.release(), FLAGS);
}

kj::Promise<kj::String> SupervisedProcess::onExit() {
  Report report;
  auto n = co_await statusStream->tryRead(&report, sizeof(report), sizeof(report));
  if (n < sizeof(report)) co_return kj::str("it was killed with its supervisor");
  if (report.kind == Report::STARTED_NOT) {
    co_return kj::str("it could not be started: ", strerror(report.value));
  }
  if (WIFSIGNALED(report.value)) co_return kj::str("signal ", WTERMSIG(report.value));
  co_return kj::str("exit code ", WEXITSTATUS(report.value));
}

}  // namespace sandbridge
