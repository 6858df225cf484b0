#pragma once
// Finds out which ports programs in a session's sandbox begin to listen on, so that the person can be told. It asks the
// sandbox in the background, one request at a time: while a command runs, and for a while after one that has left
// something running. Nothing waits for it, and it keeps no sandbox awake, or from being deleted.

#include "base/coroutine.h"

#include <kj/string.h>
#include <kj/timer.h>

#include <list>
#include <set>

namespace sandbridge {

class SandboxAccess;

class PortListener {
 public:
  // Whether anybody wants to know: without, nothing is asked.
  virtual bool isWanted() = 0;
  // Once, until nothing listens there any more.
  virtual void listening(uint16_t port) = 0;
};

// The ports of one line of the sandbox's answer (helper/ports.h); none if it is no such line. At most 64.
kj::Maybe<std::set<uint16_t>> parsePorts(kj::StringPtr line);

class PortWatch {
  using Starts = std::list<kj::TimePoint>;

 public:
  // Both must outlive it and its commands.
  PortWatch(SandboxAccess& access, PortListener& listener) : access(access), listener(listener) {}
  KJ_DISALLOW_COPY(PortWatch);

  // A command that runs, until this is dropped.
  class Command {
   public:
    Command(Command&& other) : watch(other.watch), start(other.start) { other.watch = nullptr; }
    ~Command() {
      KJ_IF_MAYBE (w, watch) w->running.erase(start);
    }

   private:
    friend class PortWatch;
    Command(PortWatch& watch, Starts::iterator start) : watch(watch), start(start) {}
    kj::Maybe<PortWatch&> watch;
    Starts::iterator start;
  };
  Command commandRuns();

  // A command has ended, and something goes on in the background.
  void commandLeftBehind();

 private:
  SandboxAccess& access;
  PortListener& listener;
  Starts running;  // when the commands under way were started; the oldest first
  kj::Maybe<kj::TimePoint> until;
  bool watching = false;

  kj::String sandboxId;
  std::set<uint16_t> open;  // as of the last look into that sandbox
  unsigned told = 0;        // since the watch began

  void begin();
  kj::Promise<void> watch();
  kj::Promise<void> ask();
  void take(std::set<uint16_t> ports);
};

}  // namespace sandbridge
