#pragma once
// What a stream around another stream is as long as it changes nothing.

#include <kj/async-io.h>

namespace sandbridge {

// Passes everything but reading and writing through to `inner`.
class PassThroughStream : public kj::AsyncIoStream {
 public:
  explicit PassThroughStream(kj::Own<kj::AsyncIoStream> inner) : inner(kj::mv(inner)) {}
  KJ_DISALLOW_COPY(PassThroughStream);

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

 protected:
  kj::Own<kj::AsyncIoStream> inner;
};

}  // namespace sandbridge
