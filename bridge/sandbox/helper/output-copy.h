#pragma once
// The file that gets a copy of an output that is too long for an answer.

#include "sandbox/helper/descriptor.h"
#include "sandbox/helper/request.h"
#include "sandbox/helper/ring.h"

namespace sandbridge::helper {

class OutputCopy {
 public:
  OutputCopy() = default;
  ~OutputCopy();
  OutputCopy(const OutputCopy&) = delete;

  void setUp(const CopyRequest& request);

  // `bytes` have just come into `ring`, which holds the whole output so long as no copy is begun.
  void add(const Ring& ring, const char* bytes, size_t n);

  // What to print at the end of the output.
  const char* notice() const { return incomplete ? text : ""; }

 private:
  CopyRequest limits;
  char* path = nullptr;
  char* text = nullptr;
  uint64_t lines = 0, total = 0, written = 0;
  bool begun = false, incomplete = false;
  Descriptor file;

  void begin();
  void write(const char* bytes, size_t n);
};

}  // namespace sandbridge::helper
