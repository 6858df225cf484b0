#include "fuzz.h"

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"

#include <kj/vector.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

namespace sandbridge {

// In place of base/log.c++: hostile input is logged a thousand times a second.
void logLine(LogLevel, kj::StringPtr) {}

namespace fuzz {

namespace {

// Stack traces cost more than most inputs.
class Quiet final : public kj::ExceptionCallback {
 public:
  void logMessage(kj::LogSeverity, const char*, int, int, kj::String&&) override {}
  StackTraceMode stackTraceMode() override { return StackTraceMode::NONE; }
};

struct Loop {
  kj::EventLoop loop;
  kj::WaitScope scope{loop};
};

uint32_t hash(Bytes bytes) {
  uint32_t h = 2166136261u;
  for (auto b : bytes) h = (h ^ b) * 16777619u;
  return h;
}

}  // namespace

void require(bool holds, kj::StringPtr property) {
  if (holds) return;
  fprintf(stderr, "this does not hold: %s\n", property.cStr());
  abort();
}

void requireOurs(const kj::Exception& e) {
  bool ours = kindOf(e) != ErrorKind::FAILED || e.getDescription().startsWith("failed: ");
  if (!ours) fprintf(stderr, "%s:%d: %s\n", e.getFile(), e.getLine(), e.getDescription().cStr());
  require(ours, "failures are of a documented kind");
  require(isValidUtf8(textOf(e)), "failures are told in valid UTF-8");
}

Pieces::Pieces(Bytes bytes) : rest(bytes), random(hash(bytes)) {}

kj::Maybe<Bytes> Pieces::next() {
  if (rest.size() == 0) return nullptr;
  constexpr size_t SCALES[] = {1, 2, 5, 30, 1000};
  size_t size = kj::min(rest.size(), 1 + random() % SCALES[random() % kj::size(SCALES)]);
  auto piece = rest.slice(0, size);
  rest = rest.slice(size, rest.size());
  return piece;
}

kj::Array<kj::ArrayPtr<const char>> parts(Bytes input) {
  constexpr kj::StringPtr SEPARATOR = "\n====\n"_kj;
  kj::Vector<kj::ArrayPtr<const char>> result;
  auto rest = input.asChars();
  for (;;) {
    auto at = rest.size() == 0 ? nullptr
                               : static_cast<const char*>(memmem(rest.begin(), rest.size(), SEPARATOR.begin(),
                                                                 SEPARATOR.size()));
    if (at == nullptr) break;
    result.add(kj::arrayPtr(rest.begin(), at));
    rest = kj::arrayPtr(at + SEPARATOR.size(), rest.end());
  }
  result.add(rest);
  return result.releaseAsArray();
}

kj::WaitScope& waitScope() {
  static Loop loop;
  return loop.scope;
}

}  // namespace fuzz
}  // namespace sandbridge

// Uninstrumented: AddressSanitizer puts locals elsewhere than on the stack, and KJ insists that callbacks are there.
extern "C" __attribute__((no_sanitize("address"))) int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sandbridge::fuzz::Quiet quiet;
  sandbridge::fuzz::waitScope();  // many promises need a loop even to be made
  sandbridge::fuzz::test(kj::arrayPtr(data, size));
  return 0;
}
