#pragma once
// Links by which a person's browser reaches ports of the place where the tools work.

#include <kj/string.h>

#include <stdint.h>

namespace sandbridge {

// Of one session.
class PortLinks {
 public:
  virtual ~PortLinks() noexcept(false) {}

  // A link for that port; the same one each time. Whoever has it can use it, until the session's sandbox ends.
  virtual kj::String linkTo(uint16_t port) = 0;
};

}  // namespace sandbridge
