#pragma once
// A server's connection that, once it is a WebSocket, asks its peer now and then whether it is still there. The library's own
// WebSocket answers pings and cannot send them.

#include "net/pass-through-stream.h"

#include <kj/timer.h>

namespace sandbridge {

class PingingStream final : public PassThroughStream {
 public:
  explicit PingingStream(kj::Own<kj::AsyncIoStream> inner) : PassThroughStream(kj::mv(inner)) {}

  // To be called when the connection has become a WebSocket, and each write is a whole frame, as the library's are: a ping goes
  // between two of them each `interval`. Never resolves; rejects as DISCONNECTED when nothing came in the interval after a ping.
  // Call once.
  kj::Promise<void> ping(kj::Timer& timer, kj::Duration interval);

  kj::Promise<size_t> tryRead(void* buffer, size_t minBytes, size_t maxBytes) override;
  kj::Promise<void> write(const void* buffer, size_t size) override;
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override;
  kj::Maybe<int> getFd() const override { return inner->getFd(); }

 private:
  bool pings = false;
  bool reading = false;   // a read is waiting
  bool received = false;  // since the last ping
  bool writing = false;   // stays so when a write was dropped: nothing may follow half a frame
  kj::Maybe<kj::ForkedPromise<void>> pinging;

  template <typename Write>
  kj::Promise<void> writeFrame(Write write);
};

}  // namespace sandbridge
