#pragma once
// The helper on this machine, with a keeper of its own, as a sandbox would have it.

#include "sandbox/helper-requests.h"

#include <kj/string.h>

#include <sys/types.h>

namespace sandbridge {

class TestHelper {
 public:
  TestHelper();
  ~TestHelper() noexcept(false);
  KJ_DISALLOW_COPY(TestHelper);

  // A request for a sandbox, for here.
  tensorlake::ProcessRequest adapt(tensorlake::ProcessRequest request) const;

  kj::StringPtr program() const { return file; }
  void startKeeper();
  // As for lack of memory.
  void killKeeper();

 private:
  kj::String base, file;
  pid_t keeper = 0;
};

// Shared by the tests that do it no harm.
TestHelper& theHelper();

}  // namespace sandbridge
