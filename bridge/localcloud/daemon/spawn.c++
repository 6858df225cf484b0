#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kj/function.h>

#include "base/error.h"
#include "localcloud/hardening.h"

namespace sandbridge::localcloud::daemon {

namespace {

constexpr kj::StringPtr DEFAULT_PATH =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"_kj;

// The soft limit that programs expect (select() breaks above it); the hard one is theirs to use.
constexpr rlim_t OPEN_FILES = 1024;

// Passwd files are small; a hostile one must not make the daemon read for long.
constexpr int MAX_LINES = 10000;

// The colon-separated fields of each line.
void eachEntry(const char* path, kj::FunctionParam<bool(kj::ArrayPtr<kj::String>)> use) {
  FILE* file = fopen(path, "re");
  if (file == nullptr) return;
  char line[4096];
  for (int i = 0; i < MAX_LINES && fgets(line, sizeof line, file) != nullptr; i++) {
    kj::Vector<kj::String> fields;
    char* rest = line;
    line[strcspn(line, "\n")] = 0;
    while (char* field = strsep(&rest, ":")) fields.add(kj::heapString(field));
    if (use(fields.asPtr())) break;
  }
  fclose(file);
}

kj::Maybe<uint> toNumber(kj::StringPtr text) {
  if (text.size() == 0 || text.size() > 10) return nullptr;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return nullptr;
    value = value * 10 + (c - '0');
  }
  if (value >= 0xffffffffu) return nullptr;
  return static_cast<uint>(value);
}

User userFromEntry(kj::Maybe<kj::StringPtr> name, kj::Maybe<uid_t> uid) {
  User user;
  bool found = false;
  eachEntry("/etc/passwd", [&](kj::ArrayPtr<kj::String> fields) {
    if (fields.size() < 6) return false;
    KJ_IF_MAYBE (id, toNumber(fields[2])) {
      bool matches = false;
      KJ_IF_MAYBE (n, name) matches = fields[0] == *n;
      KJ_IF_MAYBE (u, uid) matches = *id == *u;
      if (!matches) return false;
      user.uid = *id;
      KJ_IF_MAYBE (gid, toNumber(fields[3])) user.gid = *gid;
      user.name = kj::str(fields[0]);
      user.home = kj::str(fields[5]);
      found = true;
    }
    return found;
  });
  if (!found) {
    KJ_IF_MAYBE (n, name) {
      if (*n != "root") {
        throwError(ErrorKind::INVALID_ARGUMENT, kj::str("no user '", *n, "' in the sandbox"));
      }
    }
    KJ_IF_MAYBE (u, uid) {
      user.uid = *u;
      user.gid = *u;
    }
    user.home = kj::str(user.uid == 0 ? "/root" : "/");
  }
  if (user.name.size() > 0) {
    eachEntry("/etc/group", [&](kj::ArrayPtr<kj::String> fields) {
      if (fields.size() < 4) return false;
      char* rest = fields[3].begin();
      while (char* member = strsep(&rest, ",")) {
        if (user.name == member) {
          KJ_IF_MAYBE (gid, toNumber(fields[2])) user.groups.add(*gid);
        }
      }
      return user.groups.size() >= 64;
    });
  }
  user.isDaemons = user.uid == 0 && user.gid == 0;
  return user;
}

enum class Step : int { WORKING_DIRECTORY, USER, STREAMS, MARK, EXEC };

struct Failure {
  Step step;
  int error;
};

struct Prepared {
  kj::Vector<kj::String> candidates;  // full paths to try
  kj::Vector<const char*> argv;
  kj::Vector<kj::String> variables;
  kj::Vector<char*> envp;
};

Prepared prepare(const Command& command) {
  Prepared result;
  kj::StringPtr path = DEFAULT_PATH;
  auto set = [&](kj::StringPtr name, kj::StringPtr value) {
    for (auto& entry : command.environment) {
      if (entry.name == name) return;
    }
    result.variables.add(kj::str(name, '=', value));
  };
  kj::StringPtr user = command.user.isDaemons ? "root"_kj : command.user.name.asPtr();
  set("PATH", DEFAULT_PATH);
  set("HOME", command.user.isDaemons ? "/root"_kj : command.user.home.asPtr());
  if (user.size() > 0) {
    set("USER", user);
    set("LOGNAME", user);
  }
  set("LANG", "C.UTF-8");
  set("TERM", "dumb");
  for (auto& entry : command.environment) {
    result.variables.add(kj::str(entry.name, '=', entry.value));
    if (entry.name == "PATH") path = entry.value;
  }
  for (auto& variable : result.variables) result.envp.add(variable.begin());
  result.envp.add(nullptr);

  KJ_IF_MAYBE (slash, command.program.findFirst('/')) {
    (void)slash;
    result.candidates.add(kj::str(command.program));
  } else {
    while (path != nullptr) {
      kj::StringPtr rest = nullptr;
      kj::String folder;
      KJ_IF_MAYBE (colon, path.findFirst(':')) {
        folder = kj::heapString(path.slice(0, *colon));
        rest = path.slice(*colon + 1);
      } else {
        folder = kj::str(path);
      }
      result.candidates.add(folder.size() == 0 ? kj::str("./", command.program)
                                               : kj::str(folder, '/', command.program));
      if (rest.size() == 0) break;
      path = rest;
    }
  }
  result.argv.add(command.program.cStr());
  for (auto& argument : command.arguments) result.argv.add(argument.cStr());
  result.argv.add(nullptr);
  return result;
}

// Only async-signal-safe calls from here on.
[[noreturn]] void become(const Command& command, Prepared& prepared, kj::Maybe<int> terminal,
                         kj::Maybe<Units::Mark> unit, int in, int out, int err, int report) {
  auto fail = [&](Step step) {
    Failure failure = {step, errno};
    if (write(report, &failure, sizeof failure) < 0) _exit(126);
    _exit(127);
  };
  setsid();
  KJ_IF_MAYBE (fd, terminal) {
    if (ioctl(*fd, TIOCSCTTY, 0) < 0) fail(Step::STREAMS);
  }
  for (int number = 1; number < 32; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  umask(022);
  setpriority(PRIO_PROCESS, 0, 0);  // the daemon's own may be raised
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = kj::min(files.rlim_max, OPEN_FILES);
    setrlimit(RLIMIT_NOFILE, &files);
  }
  KJ_IF_MAYBE (mark, unit) {
    if (!mark->set()) fail(Step::MARK);
  }
  // The daemon must outlive what it started.
  int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (score >= 0) {
    if (write(score, "500", 3) < 0) close(score);
  }
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) fail(Step::STREAMS);
  if (!command.user.isDaemons) {
    if (setgroups(command.user.groups.size(), command.user.groups.begin()) < 0 ||
        setresgid(command.user.gid, command.user.gid, command.user.gid) < 0) {
      fail(Step::USER);
    }
  }
  if (!dropDaemonCapabilities()) fail(Step::USER);
  if (!command.user.isDaemons &&
      setresuid(command.user.uid, command.user.uid, command.user.uid) < 0) {
    fail(Step::USER);
  }
  if (chdir(command.workingDirectory.cStr()) < 0) fail(Step::WORKING_DIRECTORY);

  int error = ENOENT;
  for (auto& candidate : prepared.candidates) {
    execve(candidate.cStr(), const_cast<char**>(prepared.argv.begin()), prepared.envp.begin());
    if (errno == ENOENT || errno == ENOTDIR) continue;
    error = errno;
    if (errno != EACCES) break;
  }
  errno = error;
  fail(Step::EXEC);
  _exit(127);
}

struct PipeEnds {
  kj::AutoCloseFd ours, theirs;
};

PipeEnds makePipe(bool weWrite) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) {
    throwError(ErrorKind::FAILED, kj::str("Failed to spawn process: ", strerror(errno)));
  }
  PipeEnds result{kj::AutoCloseFd(fds[weWrite ? 1 : 0]), kj::AutoCloseFd(fds[weWrite ? 0 : 1])};
  fcntl(result.ours, F_SETFL, fcntl(result.ours, F_GETFL) | O_NONBLOCK);
  return result;
}

Spawned start(const Command& command, kj::Maybe<int> terminal, kj::Maybe<Units::Mark> unit) {
  auto prepared = prepare(command);
  kj::AutoCloseFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  auto report = makePipe(false);
  PipeEnds in, out, err;
  if (terminal == nullptr) {
    if (command.pipeStdin) in = makePipe(true);
    if (command.captureStdout) out = makePipe(false);
    if (command.captureStderr) err = makePipe(false);
  }
  int unpiped = terminal.orDefault(null.get());
  auto theirs = [&](PipeEnds& pipe) { return pipe.theirs == nullptr ? unpiped : pipe.theirs.get(); };

  pid_t pid = fork();
  if (pid < 0) {
    throwError(ErrorKind::FAILED, kj::str("Failed to spawn process: ", strerror(errno)));
  }
  if (pid == 0) {
    become(command, prepared, terminal, unit, theirs(in), theirs(out), theirs(err), report.theirs);
  }
  report.theirs = nullptr;
  fcntl(report.ours, F_SETFL, 0);
  Failure failure;
  ssize_t n;
  do {
    n = read(report.ours, &failure, sizeof failure);
  } while (n < 0 && errno == EINTR);
  if (n == sizeof failure) {
    // The reaper collects it.
    kj::StringPtr what = failure.step == Step::WORKING_DIRECTORY ? command.workingDirectory.asPtr()
                         : failure.step == Step::EXEC            ? command.program.asPtr()
                         : failure.step == Step::USER            ? "change of user"_kj
                         : failure.step == Step::MARK            ? "limits"_kj
                                                                 : "streams"_kj;
    throwError(ErrorKind::FAILED,
               kj::str("Failed to spawn process: ", what, ": ", strerror(failure.error)));
  }
  return Spawned{pid, kj::mv(in.ours), kj::mv(out.ours), kj::mv(err.ours)};
}

}  // namespace

User findUser(kj::StringPtr text) {
  KJ_IF_MAYBE (colon, text.findFirst(':')) {
    KJ_IF_MAYBE (uid, toNumber(kj::heapString(text.slice(0, *colon)))) {
      KJ_IF_MAYBE (gid, toNumber(text.slice(*colon + 1))) return findUser(*uid, *gid);
    }
    throwError(ErrorKind::INVALID_ARGUMENT, kj::str("user '", text, "' is not 'uid:gid'"));
  }
  KJ_IF_MAYBE (uid, toNumber(text)) return findUser(*uid, nullptr);
  return userFromEntry(text, nullptr);
}

User findUser(uid_t uid, kj::Maybe<gid_t> gid) {
  auto user = userFromEntry(nullptr, uid);
  KJ_IF_MAYBE (g, gid) user.gid = *g;
  user.isDaemons = user.uid == 0 && user.gid == 0;
  return user;
}

Spawned spawn(const Command& command, kj::Maybe<Units::Mark> unit) {
  return start(command, nullptr, unit);
}

Spawned spawnOn(int terminal, const Command& command) { return start(command, terminal, nullptr); }

}  // namespace sandbridge::localcloud::daemon
