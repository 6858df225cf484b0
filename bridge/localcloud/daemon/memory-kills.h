#pragma once
// The processes of the box that the kernel has killed for lack of memory. It only counts them: `memory.events` of the box's
// group (v2) or its `memory.oom_control` (v1), which the launcher has opened outside.

#include <kj/io.h>

#include <stdint.h>

namespace sandbridge::localcloud::daemon {

class MemoryKills {
 public:
  // Any other file, or none, counts nothing.
  explicit MemoryKills(kj::AutoCloseFd file);

  // Since the last call.
  uint64_t take();

 private:
  kj::AutoCloseFd file;
  uint64_t taken = 0;
};

}  // namespace sandbridge::localcloud::daemon
