#pragma once
// The keeper's event loop: who is told when a descriptor is ready.

#include <stdint.h>

#include "sandbox/helper/descriptor.h"

namespace sandbridge::helper {

class Handler {
 public:
  virtual ~Handler() {}
  // `which` is the number that the handler gave to the descriptor; `events` are epoll's.
  virtual void ready(int which, uint32_t events) = 0;
};

class Loop;

class Watched {
 public:
  Watched(Loop& loop, Handler& handler, int which) : loop(loop), handler(handler), which(which) {}
  ~Watched() { close(); }
  Watched(const Watched&) = delete;

  void take(Descriptor descriptor);
  int get() const { return fd.get(); }
  bool isOpen() const { return fd.isOpen(); }
  // Which events to tell; 0: none at all, not even a hang-up.
  void want(uint32_t events);
  void close();

 private:
  friend class Loop;
  Loop& loop;
  Handler& handler;
  int which;
  uint32_t wanted = 0;
  Descriptor fd;
};

class Loop {
 public:
  // False when the system cannot give one.
  bool open();
  // Waits for `timeoutMs` at most (-1: for ever) and tells what is ready. Handlers may close
  // descriptors meanwhile, but not end a handler.
  void turn(int timeoutMs);

 private:
  friend class Watched;
  static constexpr int BATCH = 64;
  Descriptor epoll;
  Watched* batch[BATCH];
  int batchSize = 0;
};

}  // namespace sandbridge::helper
