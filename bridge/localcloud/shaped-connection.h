#pragma once
// A client's TCP connection that can be broken in all the ways in which networks break them.

#include <kj/timer.h>

#include "net/pass-through-stream.h"

namespace sandbridge::localcloud {

class ShapedConnection final : public PassThroughStream {
 public:
  ShapedConnection(kj::Own<kj::AsyncIoStream> inner, kj::Timer& timer);

  // From now on everything fails, and closing sends an RST: the peer's reads fail, with what was on its way to it lost.
  void reset();

  // What follows the next write (the head of a WebSocket's handshake) passes at this many bytes a second, up to `cut` bytes;
  // then the connection is closed or `byRst` reset.
  struct Frames {
    kj::Maybe<uint64_t> cut;
    bool byRst = false;
    kj::Maybe<uint64_t> bytesPerSecond;
  };
  void shapeFrames(Frames frames);

  kj::Promise<size_t> tryRead(void* buffer, size_t minBytes, size_t maxBytes) override;
  kj::Promise<void> write(const void* buffer, size_t size) override;
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override;
  kj::Promise<void> whenWriteDisconnected() override;
  void shutdownWrite() override;

 private:
  kj::Timer& timer;
  bool over = false;
  kj::Own<kj::PromiseFulfiller<void>> endedFulfiller;
  kj::ForkedPromise<void> ended;
  kj::Maybe<Frames> frames;
  bool handshakeDue = false;

  void end();
  template <typename T>
  kj::Promise<T> untilEnd(kj::Promise<T> promise);
  kj::Promise<void> writeFrames(kj::Array<kj::byte> bytes);
};

// Writes in small steps, so that it takes as long as its size says.
kj::Promise<void> trickle(kj::AsyncOutputStream& to, kj::ArrayPtr<const kj::byte> bytes, uint64_t bytesPerSecond,
                          kj::Timer& timer);

}  // namespace sandbridge::localcloud
