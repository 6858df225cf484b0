#pragma once
// Terminal sessions: a program on a pseudo terminal that clients come to and go from.

#include <kj/async-io.h>
#include <kj/refcount.h>

#include <deque>

#include "active-time.h"
#include "processes.h"
#include "terminal-output.h"
#include "terminal-times.h"

namespace sandbridge::localcloud::daemon {

struct TerminalSize {
  static constexpr uint16_t MAX_ROWS = 500, MAX_COLUMNS = 1000;

  uint16_t rows = 24;
  uint16_t columns = 80;

  TerminalSize clamped() const;
};

class Terminal final : public kj::Refcounted {
 public:
  Terminal(kj::LowLevelAsyncIoProvider& io, ActiveTime& time, const TerminalTimes& times,
           const Command& command, TerminalSize size, kj::AutoCloseFd master, pid_t pid, kj::Promise<int> exit);

  const kj::String id;
  const kj::String token;
  const pid_t pid;  // also its process group and session
  const kj::String program;
  const kj::Array<kj::String> arguments;
  const int64_t createdAt;

  TerminalSize size() const { return currentSize; }
  void resize(TerminalSize size);

  TerminalOutput& output() { return shown; }
  // As typed. Resolves when there is room for more; after the end nothing happens.
  kj::Promise<void> write(kj::ArrayPtr<const kj::byte> bytes);

  bool isAlive() const { return ended == 0; }
  int64_t endedAt() const { return ended; }
  // None while it lives and when a signal ended it.
  kj::Maybe<int> exitCode() const { return code; }

  // Hangs up, and kills what is left of the session some seconds later. Its clients see that it was terminated.
  void terminate();
  // The same at once.
  void kill();
  bool wasTerminated() const { return terminated; }

  // When the program has ended and all it showed has been read.
  kj::Promise<void> onEnd() { return finished.addBranch(); }
  // When its id is no longer known.
  kj::Promise<void> onForgotten() { return forgotten.addBranch(); }
  void forget() { forgottenPair.fulfiller->fulfill(); }

  // Being watched by a client. Without any the session is killed after a while.
  class Visit {
   public:
    explicit Visit(Terminal& terminal);
    ~Visit();
    KJ_DISALLOW_COPY(Visit);

   private:
    kj::Own<Terminal> terminal;
  };

 private:
  ActiveTime& time;
  const TerminalTimes times;
  TerminalSize currentSize;
  kj::AutoCloseFd master;  // for ioctl
  TerminalOutput shown;
  int64_t ended = 0;
  kj::Maybe<int> code;
  bool terminated = false;
  uint visits = 0;

  kj::Own<kj::AsyncOutputStream> input;
  kj::Vector<kj::byte> typed;  // not yet taken by the terminal
  kj::Vector<kj::Own<kj::PromiseFulfiller<void>>> roomWaiters;
  bool writing = false;

  kj::PromiseFulfillerPair<void> finishedPair = kj::newPromiseAndFulfiller<void>();
  kj::ForkedPromise<void> finished = finishedPair.promise.fork();
  kj::PromiseFulfillerPair<void> forgottenPair = kj::newPromiseAndFulfiller<void>();
  kj::ForkedPromise<void> forgotten = forgottenPair.promise.fork();
  kj::Promise<void> life = nullptr, idle = nullptr, lastResort = nullptr, typing = nullptr;

  kj::Promise<void> live(kj::Own<kj::AsyncInputStream> stream, kj::Promise<int> exit);
  kj::Promise<void> read(kj::Own<kj::AsyncInputStream> stream);
  kj::Promise<void> type();
  void watchIdle();
};

class Terminals final : private kj::TaskSet::ErrorHandler {
 public:
  static constexpr size_t MAX_SESSIONS = 64;

  Terminals(kj::LowLevelAsyncIoProvider& io, ActiveTime& time, Processes& processes, TerminalTimes times = {})
      : io(io), time(time), processes(processes), times(times), tasks(*this) {}
  KJ_DISALLOW_COPY(Terminals);

  bool isFull() const { return terminals.size() >= MAX_SESSIONS; }
  // Throws FAILED when the program cannot be started.
  kj::Own<Terminal> start(Command command, TerminalSize size);
  kj::Maybe<kj::Own<Terminal>> find(kj::StringPtr id);
  kj::Array<kj::Own<Terminal>> list();

 private:
  kj::LowLevelAsyncIoProvider& io;
  ActiveTime& time;
  Processes& processes;
  const TerminalTimes times;
  kj::Vector<kj::Own<Terminal>> terminals;
  kj::TaskSet tasks;

  kj::Promise<void> forgetLater(kj::Own<Terminal> terminal);
  void taskFailed(kj::Exception&& e) override;
};

}  // namespace sandbridge::localcloud::daemon
