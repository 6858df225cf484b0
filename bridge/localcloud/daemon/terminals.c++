#include "terminals.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kj/debug.h>

#include "base/coroutine.h"
#include "base/error.h"
#include "secrets.h"

namespace sandbridge::localcloud::daemon {

namespace {

constexpr size_t READ_BYTES = 16u << 10;
// Typed and not taken: a program that does not read holds back its client beyond this.
constexpr size_t TYPED_BYTES = 64u << 10;
// Once the program has ended, its terminal hangs up and what it showed is read at once.
constexpr kj::Duration DRAIN_DEADLINE = 2 * kj::SECONDS;

kj::AutoCloseFd check(int fd, kj::StringPtr what) {
  if (fd < 0) {
    throwError(ErrorKind::FAILED, kj::str("Failed to allocate PTY: ", what, ": ", strerror(errno)));
  }
  return kj::AutoCloseFd(fd);
}

void setSize(int fd, TerminalSize size) {
  winsize window = {size.rows, size.columns, 0, 0};
  KJ_SYSCALL(ioctl(fd, TIOCSWINSZ, &window));
}

// To all processes of the session, whatever their groups.
void signalSession(pid_t session, int number) {
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return;
  KJ_DEFER(closedir(proc));
  while (dirent* entry = readdir(proc)) {
    pid_t pid = atoi(entry->d_name);
    if (pid > 1 && getsid(pid) == session) ::kill(pid, number);
  }
}

kj::Array<kj::String> copy(kj::ArrayPtr<const kj::String> strings) {
  return KJ_MAP(s, strings) { return kj::str(s); };
}

}  // namespace

TerminalSize TerminalSize::clamped() const {
  return {kj::max(uint16_t(1), kj::min(rows, uint16_t(MAX_ROWS))),
          kj::max(uint16_t(1), kj::min(columns, uint16_t(MAX_COLUMNS)))};
}

Terminal::Terminal(kj::LowLevelAsyncIoProvider& io, ActiveTime& time, const TerminalTimes& times,
                   const Command& command, TerminalSize size, kj::AutoCloseFd masterParam, pid_t pid, kj::Promise<int> exit)
    : id(randomName()),
      token(randomToken()),
      pid(pid),
      program(kj::str(command.program)),
      arguments(copy(command.arguments)),
      createdAt(nowMs()),
      time(time),
      times(times),
      currentSize(size),
      master(kj::mv(masterParam)) {
  // Each with a descriptor of its own: the event loop watches a descriptor for one of them only.
  auto another = [&]() {
    return check(fcntl(master, F_DUPFD_CLOEXEC, 0), "descriptor");
  };
  input = io.wrapOutputFd(another());
  life = live(io.wrapInputFd(another()), kj::mv(exit)).eagerlyEvaluate([](kj::Exception&& e) {
    KJ_LOG(ERROR, "a terminal's reader failed", e);
  });
  watchIdle();
}

kj::Promise<void> Terminal::live(kj::Own<kj::AsyncInputStream> stream, kj::Promise<int> exit) {
  auto status = exit.fork();
  co_await read(kj::mv(stream))
      .exclusiveJoin(status.addBranch().then([this](int) {
        return time.timer.afterDelay(DRAIN_DEADLINE);
      }));
  int waitStatus = co_await status.addBranch();
  if (WIFEXITED(waitStatus)) code = WEXITSTATUS(waitStatus);
  ended = nowMs();
  idle = nullptr;
  if (terminated) signalSession(pid, SIGKILL);
  shown.end();
  finishedPair.fulfiller->fulfill();
}

kj::Promise<void> Terminal::read(kj::Own<kj::AsyncInputStream> stream) {
  auto buffer = kj::heapArray<kj::byte>(READ_BYTES);
  for (;;) {
    size_t n = 0;
    try {
      n = co_await stream->tryRead(buffer.begin(), 1, buffer.size());
    } catch (kj::Exception&) {
      // EIO: nobody has the terminal open any more.
    }
    if (n == 0) co_return;
    shown.add(buffer.slice(0, n));
  }
}

void Terminal::resize(TerminalSize size) {
  currentSize = size.clamped();
  if (isAlive()) setSize(master, currentSize);
}

kj::Promise<void> Terminal::write(kj::ArrayPtr<const kj::byte> bytes) {
  if (!isAlive()) return kj::READY_NOW;
  typed.addAll(bytes);
  if (!writing) {
    writing = true;
    typing = type().eagerlyEvaluate(nullptr);
  }
  if (typed.size() <= TYPED_BYTES) return kj::READY_NOW;
  auto paf = kj::newPromiseAndFulfiller<void>();
  roomWaiters.add(kj::mv(paf.fulfiller));
  return paf.promise.exclusiveJoin(onEnd());
}

kj::Promise<void> Terminal::type() {
  KJ_DEFER(writing = false);
  while (typed.size() > 0) {
    auto now = kj::mv(typed);
    auto waiters = kj::mv(roomWaiters);
    for (auto& waiter : waiters) waiter->fulfill();
    try {
      co_await input->write(now.begin(), now.size());
    } catch (kj::Exception&) {
      // Nobody has the terminal open: as if it had been typed and not read.
    }
  }
}

void Terminal::terminate() {
  if (!isAlive() || terminated) return;
  terminated = true;
  // A stopped job could not die of it.
  ::kill(-pid, SIGHUP);
  ::kill(-pid, SIGCONT);
  lastResort = time.pass(times.hangUp).then([this]() { kill(); }).eagerlyEvaluate(nullptr);
}

void Terminal::kill() {
  if (!isAlive()) return;
  terminated = true;
  signalSession(pid, SIGKILL);
}

Terminal::Visit::Visit(Terminal& terminal) : terminal(kj::addRef(terminal)) {
  terminal.visits++;
  terminal.idle = nullptr;
}

Terminal::Visit::~Visit() {
  if (--terminal->visits == 0) terminal->watchIdle();
}

void Terminal::watchIdle() {
  if (!isAlive()) return;
  idle = time.pass(times.idle).then([this]() { kill(); }).eagerlyEvaluate(nullptr);
}

kj::Own<Terminal> Terminals::start(Command command, TerminalSize size) {
  size = size.clamped();
  auto master = check(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), "/dev/ptmx");
  int unlocked = 0;
  KJ_SYSCALL(ioctl(master, TIOCSPTLCK, &unlocked));
  auto slave = check(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC), "terminal");
  setSize(master, size);
  if (!command.user.isDaemons) {
    KJ_SYSCALL(fchown(slave, command.user.uid, -1));
  }
  fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK);

  auto spawned = spawnOn(slave, command);
  auto terminal = kj::refcounted<Terminal>(io, time, times, command, size, kj::mv(master), spawned.pid,
                                           processes.onExit(spawned.pid));
  terminals.add(kj::addRef(*terminal));
  tasks.add(forgetLater(kj::addRef(*terminal)));
  return terminal;
}

kj::Promise<void> Terminals::forgetLater(kj::Own<Terminal> terminal) {
  co_await terminal->onEnd();
  if (!terminal->wasTerminated()) co_await time.pass(times.dead);
  terminal->forget();
  kj::Vector<kj::Own<Terminal>> others;
  for (auto& other : terminals) {
    if (other.get() != terminal.get()) others.add(kj::mv(other));
  }
  terminals = kj::mv(others);
}

kj::Maybe<kj::Own<Terminal>> Terminals::find(kj::StringPtr id) {
  for (auto& terminal : terminals) {
    if (terminal->id == id) return kj::addRef(*terminal);
  }
  return nullptr;
}

kj::Array<kj::Own<Terminal>> Terminals::list() {
  return KJ_MAP(terminal, terminals) { return kj::addRef(*terminal); };
}

void Terminals::taskFailed(kj::Exception&& e) { KJ_LOG(ERROR, "a terminal was not forgotten", e); }

}  // namespace sandbridge::localcloud::daemon
