#pragma once
// A connection that can tell that its peer has closed it while nobody reads from it.

#include "net/pass-through-stream.h"

namespace sandbridge {

// While watched it reads ahead a little (what comes is kept for the next read), since only reading tells the end.
class WatchedStream final : public PassThroughStream {
 public:
  explicit WatchedStream(kj::Own<kj::AsyncIoStream> inner);

  void watch(bool on);

  // Resolves when the peer has closed its sending side, or the connection broke. Bytes that were sent before, and that nobody
  // reads, hide it.
  kj::Promise<void> onGone() { return gone.addBranch(); }

  kj::Promise<size_t> tryRead(void* buffer, size_t minBytes, size_t maxBytes) override;
  kj::Promise<void> write(const void* buffer, size_t size) override {
    return inner->write(buffer, size);
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    return inner->write(pieces);
  }
  kj::Maybe<int> getFd() const override { return inner->getFd(); }

 private:
  kj::Array<kj::byte> ahead;
  kj::ArrayPtr<kj::byte> unread;  // in `ahead`
  bool watched = false;
  bool readingAhead = false;
  bool readingDirectly = false;
  bool ended = false;
  kj::Maybe<kj::Exception> failure;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> waiter;
  kj::Own<kj::PromiseFulfiller<void>> goneFulfiller;
  kj::ForkedPromise<void> gone;
  kj::Promise<void> task = nullptr;

  void readAheadWhenIdle();
  kj::Promise<void> readAhead();
  void end();
};

}  // namespace sandbridge
