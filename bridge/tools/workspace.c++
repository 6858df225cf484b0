#include "tools/workspace.h"

#include <string.h>

namespace sandbridge {

namespace {

class BytesInput final : public kj::AsyncInputStream {
 public:
  explicit BytesInput(kj::Array<const kj::byte> bytes) : bytes(kj::mv(bytes)), rest(this->bytes) {}

  kj::Promise<size_t> tryRead(void* buffer, size_t minBytes, size_t maxBytes) override {
    size_t count = kj::min(maxBytes, rest.size());
    if (count > 0) memcpy(buffer, rest.begin(), count);
    rest = rest.slice(count, rest.size());
    return count;
  }
  kj::Maybe<uint64_t> tryGetLength() override { return rest.size(); }

 private:
  kj::Array<const kj::byte> bytes;
  kj::ArrayPtr<const kj::byte> rest;
};

}  // namespace

unsigned ExitStatus::shellCode() const {
  switch (kind) {
    case EXITED:
      return value;
    case SIGNALED:
      return 128 + value;
    case TIMED_OUT:
      return 124;
  }
  KJ_UNREACHABLE;
}

kj::Promise<void> Workspace::writeFile(kj::StringPtr path, kj::Array<const kj::byte> content) {
  auto size = content.size();
  return writeFile(path, kj::heap<BytesInput>(kj::mv(content)), size);
}

}  // namespace sandbridge
