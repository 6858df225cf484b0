#include "processes.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kj/debug.h>

#include "base/coroutine.h"
#include "base/error.h"

namespace sandbridge::localcloud::daemon {

int64_t nowMs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

namespace {

constexpr size_t READ_BYTES = 64u << 10;

kj::Array<kj::String> copy(kj::ArrayPtr<const kj::String> strings) {
  return KJ_MAP(s, strings) { return kj::str(s); };
}

}  // namespace

Process::Process(kj::LowLevelAsyncIoProvider& io, uint64_t handle, kj::Maybe<kj::String> name,
                 const Command& command, Spawned spawned, kj::Maybe<LogFiles&> logFiles)
    : handle(handle),
      pid(spawned.pid),
      name(kj::mv(name)),
      program(kj::str(command.program)),
      arguments(copy(command.arguments)),
      startedAt(nowMs()) {
  KJ_IF_MAYBE (files, logFiles) {
    persisted.emplace(*files, handle, pid, this->name.map([](const kj::String& n) -> kj::StringPtr { return n; })
                                               .orDefault(""),
                      program, arguments, startedAt);
  }
  auto take = [&](kj::AutoCloseFd& fd) { return io.wrapInputFd(kj::mv(fd)); };
  if (spawned.stdinFd != nullptr) stdinStream = io.wrapOutputFd(kj::mv(spawned.stdinFd));
  if (spawned.stdoutFd != nullptr) {
    openParts++;
    stdoutPump = pump(take(spawned.stdoutFd), false).eagerlyEvaluate(nullptr);
  }
  if (spawned.stderrFd != nullptr) {
    openParts++;
    stderrPump = pump(take(spawned.stderrFd), true).eagerlyEvaluate(nullptr);
  }
}

kj::Promise<void> Process::pump(kj::Own<kj::AsyncInputStream> stream, bool isError) {
  // Whatever ends the stream, the process must not be kept from finishing.
  KJ_DEFER(partEnded());
  LineSplitter splitter;
  auto buffer = kj::heapArray<char>(READ_BYTES);
  auto add = [&](kj::String line) {
    auto now = nowMs();
    KJ_IF_MAYBE (p, persisted) p->line(isError, now, line);
    log.add(OutputLine{isError, now, kj::mv(line)});
  };
  for (;;) {
    co_await log.whenReady();
    size_t n;
    try {
      n = co_await stream->tryRead(buffer.begin(), 1, buffer.size());
    } catch (kj::Exception&) {
      break;  // as at the end: there is nobody to tell
    }
    if (n == 0) {
      splitter.finish(add);
      break;
    }
    // Not UTF-8: the pipe is closed under the process, as TensorLake's daemon does.
    if (!splitter.push(buffer.slice(0, n), add)) break;
  }
  stream = nullptr;
}

void Process::partEnded() {
  if (--openParts > 0) return;
  KJ_IF_MAYBE (p, persisted) {
    p->note(nowMs(), outOfMemory         ? kj::str("killed for lack of memory")
                     : state == SIGNALED ? kj::str("ended by signal ", exitValue)
                                         : kj::str("exited with code ", exitValue));
  }
  log.end();
  finishedPair.fulfiller->fulfill();
}

kj::Promise<bool> Process::writeStdin(kj::Array<kj::byte> bytes) {
  if (!stdinWritable() || stdinBusy || stdinClosing) co_return false;
  stdinBusy = true;
  auto self = kj::addRef(*this);
  KJ_DEFER({
    stdinBusy = false;
    if (stdinClosing) stdinStream = nullptr;
  });
  try {
    co_await stdinStream->write(bytes.begin(), bytes.size());
  } catch (kj::Exception&) {
    stdinClosing = true;
    co_return false;
  }
  co_return true;
}

bool Process::closeStdin() {
  if (stdinStream.get() == nullptr) return false;
  if (stdinBusy) {
    stdinClosing = true;
  } else {
    stdinStream = nullptr;
  }
  return true;
}

bool Process::signal(int number) {
  // Not reaped yet, so the number is still its own.
  if (state != RUNNING || kill(pid, number) != 0) return false;
  killed = killed || number == SIGKILL;
  return true;
}

bool Process::killGroup() {
  if (state != RUNNING) return false;
  killed = true;
  kill(-pid, SIGKILL);
  kill(pid, SIGKILL);
  return true;
}

void Process::setDeadline(kj::Promise<void> promise) {
  deadline = promise.eagerlyEvaluate([](kj::Exception&& e) { KJ_LOG(ERROR, e); });
}

bool Process::reaped(int waitStatus, bool memoryKill) {
  if (state != RUNNING) return false;
  if (WIFSIGNALED(waitStatus)) {
    state = SIGNALED;
    exitValue = WTERMSIG(waitStatus);
    outOfMemory = memoryKill && exitValue == SIGKILL && !killed;
  } else {
    state = EXITED;
    exitValue = WEXITSTATUS(waitStatus);
  }
  ended = nowMs();
  deadline = nullptr;
  closeStdin();
  exitedPair.fulfiller->fulfill();
  partEnded();
  return outOfMemory;
}

Processes::Processes(kj::LowLevelAsyncIoProvider& io, kj::UnixEventPort& port, bool reapAll,
                     MemoryKills& memoryKills, kj::Maybe<LogFiles&> logFiles)
    : io(io),
      port(port),
      reapAll(reapAll),
      memoryKills(memoryKills),
      logFiles(logFiles),
      reaper(reap().eagerlyEvaluate([](kj::Exception&& e) {
        KJ_LOG(ERROR, "the reaper stopped", e);
      })) {}

kj::Promise<void> Processes::reap() {
  for (;;) {
    co_await port.onSignal(SIGCHLD);
    reapOnce();
  }
}

void Processes::reapOnce() {
  // Counted of the whole box, so it is taken whenever a command ends: what it then counts is most likely the one that was
  // killed last.
  kj::Maybe<uint64_t> kills;
  auto end = [&](Process& process, int status) {
    if (kills == nullptr) kills = memoryKills.take();
    auto& left = KJ_ASSERT_NONNULL(kills);
    if (process.reaped(status, left > 0)) left--;
    mayHaveLeft = true;
  };
  auto give = [&](pid_t pid, int status) {
    for (auto& process : processes) {
      if (process->pid == pid && process->status() == Process::RUNNING) end(*process, status);
    }
    tellOther(pid, status);
  };
  int status;
  if (reapAll) {
    for (;;) {
      pid_t pid = waitpid(-1, &status, WNOHANG);
      if (pid < 0 && errno == EINTR) continue;
      if (pid <= 0) break;
      give(pid, status);
    }
    if (mayHaveLeft) killRest();
  } else {
    for (auto& process : processes) {
      if (process->status() == Process::RUNNING &&
          waitpid(process->pid, &status, WNOHANG) == process->pid) {
        end(*process, status);
      }
    }
    for (pid_t pid : KJ_MAP(other, others) { return other.pid; }) {
      if (waitpid(pid, &status, WNOHANG) == pid) tellOther(pid, status);
    }
  }
  forgetOldest();
}

void Processes::killRest() {
  kj::Vector<pid_t> known;
  for (auto& process : processes) {
    if (process->status() == Process::RUNNING) known.add(process->pid);
  }
  for (auto& other : others) known.add(other.pid);
  mayHaveLeft = units.killRest(known, [&](uint64_t unit) {
    for (auto& process : processes) {
      if (process->handle == unit) return process->status() == Process::RUNNING;
    }
    return false;
  });
}

void Processes::tellOther(pid_t pid, int status) {
  kj::Vector<Other> left;
  for (auto& other : others) {
    if (other.pid == pid) {
      other.exited->fulfill(kj::mv(status));
    } else {
      left.add(kj::mv(other));
    }
  }
  others = kj::mv(left);
}

kj::Promise<int> Processes::onExit(pid_t pid) {
  auto paf = kj::newPromiseAndFulfiller<int>();
  others.add(Other{pid, kj::mv(paf.fulfiller)});
  return kj::mv(paf.promise);
}

void Processes::forgetOldest() {
  size_t ended = 0, bytes = 0;
  for (auto& process : processes) {
    if (process->output().ended()) {
      ended++;
      bytes += process->output().bytes();
    }
  }
  if (ended <= MAX_REMEMBERED && bytes <= MAX_REMEMBERED_BYTES) return;
  kj::Vector<kj::Own<Process>> kept;
  for (auto& process : processes) {
    if ((ended > MAX_REMEMBERED || bytes > MAX_REMEMBERED_BYTES) && process->output().ended() &&
        process->status() != Process::RUNNING) {
      ended--;
      bytes -= process->output().bytes();
    } else {
      kept.add(kj::mv(process));
    }
  }
  processes = kj::mv(kept);
}

kj::Own<Process> Processes::start(const Command& command, kj::Maybe<kj::String> name) {
  KJ_IF_MAYBE (wanted, name) {
    for (auto& process : processes) {
      KJ_IF_MAYBE (taken, process->name) {
        if (*taken == *wanted && process->status() == Process::RUNNING) {
          throwError(ErrorKind::INVALID_ARGUMENT,
                     kj::str("a process named '", *wanted, "' is running"));
        }
      }
    }
  }
  auto spawned = spawn(command, units.mark(nextHandle));
  auto process = kj::refcounted<Process>(io, nextHandle++, kj::mv(name), command, kj::mv(spawned),
                                         logFiles);
  auto result = kj::addRef(*process);
  processes.add(kj::mv(process));
  return result;
}

kj::Maybe<kj::Own<Process>> Processes::find(kj::StringPtr reference) {
  bool digits = reference.size() > 0;
  for (char c : reference) digits = digits && c >= '0' && c <= '9';
  // The newest first: pids and names come again.
  for (size_t i = processes.size(); i-- > 0;) {
    auto& process = *processes[i];
    bool matches = digits && reference == kj::str(process.pid);
    KJ_IF_MAYBE (name, process.name) matches = matches || (!digits && *name == reference);
    if (matches) return kj::addRef(process);
  }
  return nullptr;
}

void Processes::forget(uint64_t handle) {
  kj::Vector<kj::Own<Process>> kept;
  for (auto& process : processes) {
    if (process->handle != handle || process->status() == Process::RUNNING) kept.add(kj::mv(process));
  }
  processes = kj::mv(kept);
}

bool Processes::knows(const Process& process) const {
  for (auto& other : processes) {
    if (other.get() == &process) return true;
  }
  return false;
}

kj::Array<kj::Own<Process>> Processes::list() {
  return KJ_MAP(process, processes) { return kj::addRef(*process); };
}

uint Processes::running() const {
  uint count = 0;
  for (auto& process : processes) count += process->status() == Process::RUNNING;
  return count;
}

}  // namespace sandbridge::localcloud::daemon
