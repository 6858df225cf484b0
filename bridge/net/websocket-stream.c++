#include "net/websocket-stream.h"

#include "base/coroutine.h"
#include "base/error.h"

#include <capnp/serialize.h>
#include <string.h>

#include <kj/debug.h>
#include <kj/refcount.h>

namespace sandbridge {
namespace {

// As capnp's own readers have it; our messages have a handful.
constexpr uint32_t MAX_SEGMENTS = 512;

[[noreturn]] void refuse(kj::StringPtr why) {
  throwError(ErrorKind::INVALID_ARGUMENT, kj::str("malformed RPC frame: ", why));
}

uint32_t littleEndian(const kj::byte* p) {
  return p[0] | p[1] << 8 | p[2] << 16 | static_cast<uint32_t>(p[3]) << 24;
}

// The words of the message that `words` begins with, by its segment table. Refuses before anything is allocated for it.
size_t messageSize(kj::ArrayPtr<const capnp::word> words) {
  auto bytes = words.asBytes();
  uint64_t segments = uint64_t(littleEndian(bytes.begin())) + 1;
  if (segments > MAX_SEGMENTS) refuse(kj::str("it claims ", segments, " segments"));
  uint64_t size = segments / 2 + 1;  // the table itself
  if (size > words.size()) refuse("its segment table is cut short");
  for (uint64_t i = 0; i < segments; i++) size += littleEndian(bytes.begin() + 4 + i * 4);
  if (size > words.size()) {
    refuse(kj::str("a message of ", size * sizeof(capnp::word), " bytes is claimed where ",
                   bytes.size(), " are left"));
  }
  return size;
}

class WebSocketStream final : public capnp::MessageStream {
 public:
  WebSocketStream(kj::WebSocket& socket, size_t maxFrame, size_t window)
      : socket(socket), maxFrame(maxFrame), window(window) {}

  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(
      kj::ArrayPtr<kj::AutoCloseFd>, capnp::ReaderOptions options,
      kj::ArrayPtr<capnp::word>) override {
    if (ended) co_return nullptr;
    if (rest.size() == 0) {
      kj::WebSocket::Message message;
      try {
        // The library's limit is exclusive.
        message = co_await socket.receive(maxFrame + 1);
      } catch (kj::Exception& e) {
        ended = true;
        if (e.getType() == kj::Exception::Type::DISCONNECTED) co_return nullptr;
        throw;
      }
      KJ_SWITCH_ONEOF(message) {
        KJ_CASE_ONEOF(close, kj::WebSocket::Close) {
          ended = true;
          co_return nullptr;
        }
        KJ_CASE_ONEOF(text, kj::String) {
          ended = true;
          refuse("it is text, not binary");
        }
        KJ_CASE_ONEOF(bytes, kj::Array<kj::byte>) { take(kj::mv(bytes)); }
      }
    }
    // Whatever is wrong now: where the next message would begin is in doubt, so nothing more is read.
    KJ_ON_SCOPE_FAILURE(ended = true);
    auto size = messageSize(rest);
    auto reader =
        kj::heap<capnp::FlatArrayMessageReader>(rest.slice(0, size), options);
    rest = rest.slice(size, rest.size());
    kj::Own<capnp::MessageReader> owned = reader.attach(kj::addRef(*frame));
    co_return capnp::MessageReaderAndFds{kj::mv(owned), nullptr};
  }

  kj::Promise<void> writeMessage(
      kj::ArrayPtr<const int> fds,
      kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override {
    auto flat = capnp::messageToFlatArray(segments);  // the socket wants one run of bytes
    co_await socket.send(flat.asBytes());
  }

  kj::Promise<void> writeMessages(
      kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override {
    for (auto& segments : messages) co_await writeMessage(nullptr, segments);
  }

  kj::Maybe<int> getSendBufferSize() override {
    return static_cast<int>(kj::min(window, size_t(1) << 30));
  }

  kj::Promise<void> end() override { return socket.close(1000, "bye"); }

 private:
  // The bytes of one frame, for as long as a message in it is in use.
  struct Frame : public kj::Refcounted {
    kj::Array<kj::byte> bytes;
    kj::Array<capnp::word> copy;
  };

  kj::WebSocket& socket;
  size_t maxFrame;
  size_t window;
  kj::Own<Frame> frame;
  kj::ArrayPtr<const capnp::word> rest;  // of the frame, not yet read
  bool ended = false;

  void take(kj::Array<kj::byte> bytes) {
    KJ_ON_SCOPE_FAILURE(ended = true);
    if (bytes.size() == 0) refuse("it is empty");
    if (bytes.size() % sizeof(capnp::word) != 0) {
      refuse(kj::str("its ", bytes.size(), " bytes are no multiple of 8"));
    }
    auto words = bytes.size() / sizeof(capnp::word);
    frame = kj::refcounted<Frame>();
    if (reinterpret_cast<uintptr_t>(bytes.begin()) % alignof(capnp::word) == 0) {
      rest = kj::arrayPtr(reinterpret_cast<const capnp::word*>(bytes.begin()), words);
      frame->bytes = kj::mv(bytes);
    } else {
      frame->copy = kj::heapArray<capnp::word>(words);
      memcpy(frame->copy.begin(), bytes.begin(), bytes.size());
      rest = frame->copy;
    }
  }
};

}  // namespace

kj::Own<capnp::MessageStream> newWebSocketStream(kj::WebSocket& socket, size_t maxFrame,
                                                 size_t window) {
  return kj::heap<WebSocketStream>(socket, maxFrame, window);
}

}  // namespace sandbridge
