#pragma once
// A connection that can tell that its peer has closed it while nobody reads from it.

#include <kj/async-io.h>

namespace sandbridge {

// Passes everything through to `inner`. While watched it reads ahead a little (what comes is kept for the next read), since
// only reading tells the end.
class WatchedStream final : public kj::AsyncIoStream {
 public:
  explicit WatchedStream(kj::Own<kj::AsyncIoStream> inner);
  KJ_DISALLOW_COPY(WatchedStream);

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
