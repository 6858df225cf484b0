// Frames of the bridge's clients: Cap'n Proto messages in binary WebSocket messages.

#include "fuzz.h"

#include "base/error.h"
#include "net/websocket-stream.h"

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/serialize.h>

#include <string.h>

#include <deque>

namespace sandbridge {
namespace {

using fuzz::require;

constexpr size_t MAX_FRAME = 1 << 16;

// Gives out the frames it was made with, and keeps those that are sent.
class FrameSocket final : public kj::WebSocket {
 public:
  std::deque<kj::Array<kj::byte>> incoming, sent;

  kj::Promise<void> send(kj::ArrayPtr<const kj::byte> message) override {
    sent.push_back(kj::heapArray(message));
    return kj::READY_NOW;
  }
  kj::Promise<void> send(kj::ArrayPtr<const char>) override { KJ_UNIMPLEMENTED("text"); }
  kj::Promise<void> close(uint16_t, kj::StringPtr) override { return kj::READY_NOW; }
  kj::Promise<void> disconnect() override { return kj::READY_NOW; }
  void abort() override {}
  kj::Promise<void> whenAborted() override { return kj::NEVER_DONE; }
  kj::Promise<Message> receive(size_t maxSize) override {
    if (incoming.empty()) return Message(Close{1000, kj::String()});
    auto frame = kj::mv(incoming.front());
    incoming.pop_front();
    return Message(kj::mv(frame));
  }
  uint64_t sentByteCount() override { return 0; }
  uint64_t receivedByteCount() override { return 0; }
};

using Reader = kj::Own<capnp::MessageReader>;

// The messages up to the end, or to what is malformed.
kj::Vector<Reader> readAll(FrameSocket& socket, bool& refused) {
  auto stream = newWebSocketStream(socket, MAX_FRAME, 1 << 20);
  kj::Vector<Reader> messages;
  refused = false;
  try {
    for (;;) {
      auto message = stream->tryReadMessage(nullptr, capnp::ReaderOptions(), nullptr).wait(fuzz::waitScope());
      KJ_IF_MAYBE (m, message) {
        messages.add(kj::mv(m->reader));
      } else {
        break;
      }
    }
  } catch (kj::Exception& e) {
    fuzz::requireOurs(e);
    require(kindOf(e) == ErrorKind::INVALID_ARGUMENT, "a malformed frame is the sender's mistake");
    refused = true;
    auto more = stream->tryReadMessage(nullptr, capnp::ReaderOptions(), nullptr).wait(fuzz::waitScope());
    require(more == nullptr, "nothing is read after a malformed frame");
  }
  return messages;
}

// As the RPC system would: its own limits hold, whatever the pointers say.
void walk(capnp::MessageReader& message) {
  try {
    message.getRoot<capnp::AnyPointer>().targetSize();
  } catch (kj::Exception&) {
  }
}

// Frames of anybody: the input is one, and once more as several of whole words.
void readHostile(fuzz::Bytes bytes) {
  bool refused;
  FrameSocket one;
  one.incoming.push_back(kj::heapArray(bytes));
  size_t total = 0;
  for (auto& message : readAll(one, refused)) {
    for (uint i = 0;; i++) {
      auto segment = message->getSegment(i);
      if (segment == nullptr) break;
      total += segment.asBytes().size();
    }
    walk(*message);
  }
  require(total <= bytes.size(), "messages are not longer than their frame");

  FrameSocket several;
  fuzz::Pieces pieces(bytes);
  for (;;) {
    KJ_IF_MAYBE (piece, pieces.next()) {
      auto frame = kj::heapArray<kj::byte>((piece->size() + 7) / 8 * 8);
      memset(frame.begin(), 0, frame.size());
      memcpy(frame.begin(), piece->begin(), piece->size());
      several.incoming.push_back(kj::mv(frame));
    } else {
      break;
    }
  }
  for (auto& message : readAll(several, refused)) walk(*message);
}

// What is written comes back, in frames of its own or back to back in one.
void readOwn(fuzz::Bytes bytes) {
  FrameSocket socket;
  kj::Vector<kj::Array<const kj::byte>> texts;
  {
    auto stream = newWebSocketStream(socket, MAX_FRAME, 1 << 20);
    fuzz::Pieces pieces(bytes.slice(0, kj::min(bytes.size(), 4096)));
    for (;;) {
      KJ_IF_MAYBE (piece, pieces.next()) {
        capnp::MallocMessageBuilder builder(4, capnp::AllocationStrategy::FIXED_SIZE);
        builder.setRoot(capnp::Data::Reader(*piece));
        stream->writeMessage(nullptr, builder.getSegmentsForOutput()).wait(fuzz::waitScope());
        texts.add(kj::heapArray(*piece));
      } else {
        break;
      }
    }
    stream->end().wait(fuzz::waitScope());
  }
  require(socket.sent.size() <= texts.size(), "a message is not spread over frames");

  FrameSocket apart, together;
  kj::Vector<kj::byte> all;
  for (auto& frame : socket.sent) {
    all.addAll(frame);
    apart.incoming.push_back(kj::mv(frame));
  }
  if (all.size() > 0 && all.size() <= MAX_FRAME) together.incoming.push_back(kj::heapArray(all.asPtr()));
  for (auto receiver : {&apart, &together}) {
    if (receiver->incoming.empty()) continue;
    bool refused;
    auto messages = readAll(*receiver, refused);
    require(!refused && messages.size() == texts.size(), "as many messages come as were sent");
    for (auto i : kj::indices(texts)) {
      require(messages[i]->getRoot<capnp::Data>() == texts[i].asPtr(), "a message comes as it was sent");
    }
  }
}

}  // namespace

void fuzz::test(Bytes bytes) {
  readHostile(bytes);
  readOwn(bytes);
}

}  // namespace sandbridge
