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

// Words of the longest frame with more than one message in it.
constexpr size_t MAX_JOINED = (64u << 10) / sizeof(capnp::word);
// Words that wait to be sent, from which on a writer waits, too.
constexpr size_t MAX_UNSENT = (128u << 10) / sizeof(capnp::word);

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
    KJ_IF_MAYBE (e, failure) return kj::cp(*e);
    outgoing.add(capnp::messageToFlatArray(segments));  // the socket wants one run of bytes
    outgoingWords += outgoing.back().size();
    if (!sending) {
      sending = true;
      auto paf = kj::newPromiseAndFulfiller<void>();
      sent = paf.promise.fork();
      sender = sendAll(kj::mv(paf.fulfiller)).eagerlyEvaluate(nullptr);
    }
    if (outgoingWords < MAX_UNSENT) return kj::READY_NOW;
    return sent.addBranch();
  }

  kj::Promise<void> writeMessages(
      kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override {
    kj::Promise<void> last = kj::READY_NOW;
    for (auto& segments : messages) last = writeMessage(nullptr, segments);
    return last;
  }

  kj::Maybe<int> getSendBufferSize() override {
    return static_cast<int>(kj::min(window, size_t(1) << 30));
  }

  kj::Promise<void> end() override {
    if (sending) co_await sent.addBranch();
    co_await socket.close(1000, "bye");
  }

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

  kj::Vector<kj::Array<capnp::word>> outgoing;  // messages in their order
  size_t outgoingWords = 0;
  bool sending = false;
  kj::Maybe<kj::Exception> failure;
  kj::ForkedPromise<void> sent = nullptr;  // while `sending`: when nothing is left to send
  kj::Promise<void> sender = nullptr;

  // Begins when the event loop has nothing else to do: what one turn produces leaves in one frame, since a system call for
  // each message would be most of what a small call costs, here and at the peer.
  kj::Promise<void> sendAll(kj::Own<kj::PromiseFulfiller<void>> done) {
    try {
      co_await kj::evalLast([]() {});
      while (outgoing.size() > 0) {
        auto frame = nextFrame();
        co_await socket.send(frame.asBytes());
      }
      sending = false;
      done->fulfill();
    } catch (kj::Exception& e) {
      failure = kj::cp(e);
      done->reject(kj::mv(e));
    }
  }

  // All messages joined; a long one by itself, not to be copied once more.
  kj::Array<capnp::word> nextFrame() {
    size_t count = 0, words = 0;
    while (count < outgoing.size() && words + outgoing[count].size() <= MAX_JOINED) {
      words += outgoing[count++].size();
    }
    kj::Array<capnp::word> frame;
    if (count <= 1) {
      count = 1;
      frame = kj::mv(outgoing[0]);
      words = frame.size();
    } else {
      frame = kj::heapArray<capnp::word>(words);
      auto to = frame.begin();
      for (auto& message : outgoing.asPtr().slice(0, count)) {
        memcpy(to, message.begin(), message.asBytes().size());
        to += message.size();
      }
    }
    outgoingWords -= words;
    kj::Vector<kj::Array<capnp::word>> left;
    for (auto& message : outgoing.asPtr().slice(count, outgoing.size())) left.add(kj::mv(message));
    outgoing = kj::mv(left);
    return frame;
  }

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
