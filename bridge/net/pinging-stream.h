#pragma once
// A server's connection that, once it is a WebSocket, asks its peer now and then whether it is still there. The library's own
// WebSocket answers pings and cannot send them.

#include <kj/async-io.h>
#include <kj/timer.h>

namespace sandbridge {

// Passes everything through to `inner`.
class PingingStream final : public kj::AsyncIoStream {
 public:
  explicit PingingStream(kj::Own<kj::AsyncIoStream> inner) : inner(kj::mv(inner)) {}
  KJ_DISALLOW_COPY(PingingStream);

  // To be called when the connection has become a WebSocket, and each write is a whole frame, as the library's are: a ping goes
  // between two of them each `interval`. Never resolves; rejects as DISCONNECTED when nothing came in the interval after a ping.
  // Call once.
  kj::Promise<void> ping(kj::Timer& timer, kj::Duration interval);

  kj::Promise<size_t> tryRead(void* buffer, size_t minBytes, size_t maxBytes) override;
  kj::Promise<void> write(const void* buffer, size_t size) override;
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override;
  kj::Promise<void> whenWriteDisconnected() override { return inner->whenWriteDisconnected(); }
  void shutdownWrite() override { inner->shutdownWrite(); }
  void abortRead() override { inner->abortRead(); }
  void getsockopt(int level, int option, void* value, kj::uint* length) override {
    inner->getsockopt(level, option, value, length);
  }
  void setsockopt(int level, int option, const void* value, kj::uint length) override {
    inner->setsockopt(level, option, value, length);
  }
  void getsockname(struct sockaddr* address, kj::uint* length) override {
    inner->getsockname(address, length);
  }
  void getpeername(struct sockaddr* address, kj::uint* length) override {
    inner->getpeername(address, length);
  }
  kj::Maybe<int> getFd() const override { return inner->getFd(); }

 private:
  kj::Own<kj::AsyncIoStream> inner;
  bool pings = false;
  bool reading = false;   // a read is waiting
  bool received = false;  // since the last ping
  bool writing = false;   // stays so when a write was dropped: nothing may follow half a frame
  kj::Maybe<kj::ForkedPromise<void>> pinging;

  template <typename Write>
  kj::Promise<void> writeFrame(Write write);
};

}  // namespace sandbridge
