#include "net/pinging-stream.h"

#include "base/coroutine.h"

#include <kj/debug.h>

namespace sandbridge {
namespace {

constexpr kj::byte PING[] = {0x89, 0x00};  // final, no payload, as servers do unmasked

}  // namespace

kj::Promise<void> PingingStream::ping(kj::Timer& timer, kj::Duration interval) {
  pings = true;
  bool asked = false;
  for (;;) {
    received = false;
    co_await timer.afterDelay(interval);
    // Where nobody reads, an answer cannot be seen: that is our own slowness and not the peer's.
    if (asked && reading && !received) {
      kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "the WebSocket's peer does not answer pings"));
    }
    asked = !writing;
    if (asked) {
      pinging = inner->write(PING, sizeof PING).fork();
      co_await KJ_ASSERT_NONNULL(pinging).addBranch();
      pinging = nullptr;
    }
  }
}

kj::Promise<size_t> PingingStream::tryRead(void* buffer, size_t minBytes, size_t maxBytes) {
  reading = true;
  KJ_DEFER(reading = false);
  auto n = co_await inner->tryRead(buffer, minBytes, maxBytes);
  received = true;
  co_return n;
}

template <typename Write>
kj::Promise<void> PingingStream::writeFrame(Write write) {
  KJ_IF_MAYBE (p, pinging) co_await p->addBranch();
  writing = true;
  co_await write();
  writing = false;
}

kj::Promise<void> PingingStream::write(const void* buffer, size_t size) {
  if (!pings) return inner->write(buffer, size);
  return writeFrame([this, buffer, size]() { return inner->write(buffer, size); });
}

kj::Promise<void> PingingStream::write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) {
  if (!pings) return inner->write(pieces);
  return writeFrame([this, pieces]() { return inner->write(pieces); });
}

}  // namespace sandbridge
