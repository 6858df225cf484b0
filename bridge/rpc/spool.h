#pragma once
// The bytes of an upload on their way: kept in an unlinked temporary file, because the sandbox is given a file only when
// its size is known and its end was said.

#include <kj/async-io.h>
#include <kj/io.h>

namespace sandbridge {

class Spool {
 public:
  // `limit`: the longest content in bytes.
  explicit Spool(uint64_t limit): limit(limit) {}
  KJ_DISALLOW_COPY(Spool);

  // Throws FAILED when the limit is passed or the temporary directory is full; then it takes no more.
  void write(kj::ArrayPtr<const kj::byte> bytes);

  uint64_t size() const { return length; }

  // The content from its start. Call once, last.
  kj::Own<kj::AsyncInputStream> read();

 private:
  uint64_t limit;
  uint64_t length = 0;
  kj::AutoCloseFd fd;  // opened by the first write
};

}  // namespace sandbridge
