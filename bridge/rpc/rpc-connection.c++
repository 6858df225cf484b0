#include "rpc/rpc-connection.h"

#include "base/coroutine.h"
#include "net/websocket-stream.h"

#include <capnp/rpc.h>
#include <kj/vector.h>

namespace sandbridge {
namespace {

// Bytes of the longest frame accepted. Bulk data travels in chunks of 1 MiB; a tool call's arguments may be longer.
constexpr size_t MAX_FRAME = 32u << 20;
// Bytes of streaming calls in flight: a gigabit's worth of a 10 ms round trip.
constexpr size_t WINDOW = 1u << 20;
// 64-bit words of calls accepted and not yet answered; more are left unread until some are.
constexpr size_t FLOW_LIMIT = (64u << 20) / sizeof(capnp::word);
// Bytes of messages waiting to be sent, above which nothing more is read: a peer that asks and does not read the
// answers stops being heard.
constexpr size_t MAX_UNSENT = 64u << 20;

capnp::ReaderOptions readerOptions() {
  capnp::ReaderOptions options;
  // Some fields are looked at twice.
  options.traversalLimitInWords = 4 * MAX_FRAME / sizeof(capnp::word);
  return options;
}

// Holds back reading while too much waits to be written.
class ThrottledStream final : public capnp::MessageStream {
 public:
  explicit ThrottledStream(kj::Own<capnp::MessageStream> inner): inner(kj::mv(inner)) {}

  kj::Function<size_t()> unsent = []() -> size_t { return 0; };

  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(
      kj::ArrayPtr<kj::AutoCloseFd> fds, capnp::ReaderOptions options,
      kj::ArrayPtr<capnp::word> scratch) override {
    if (unsent() <= MAX_UNSENT) return inner->tryReadMessage(fds, options, scratch);
    auto paf = kj::newPromiseAndFulfiller<void>();
    reader = kj::mv(paf.fulfiller);
    return paf.promise.then([this, fds, options, scratch]() {
      return tryReadMessage(fds, options, scratch);
    });
  }

  kj::Promise<void> writeMessage(
      kj::ArrayPtr<const int> fds,
      kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override {
    return written(inner->writeMessage(fds, segments));
  }

  kj::Promise<void> writeMessages(
      kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override {
    return written(inner->writeMessages(messages));
  }

  kj::Maybe<int> getSendBufferSize() override { return inner->getSendBufferSize(); }
  kj::Promise<void> end() override { return inner->end(); }

 private:
  kj::Own<capnp::MessageStream> inner;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> reader;

  kj::Promise<void> written(kj::Promise<void> write) {
    // A failed write ends the connection by itself.
    return write.then([this]() {
      KJ_IF_MAYBE(waiting, reader) {
        auto fulfiller = kj::mv(*waiting);
        reader = nullptr;
        fulfiller->fulfill();
      }
    });
  }
};

}  // namespace

struct RpcConnection::Impl {
  kj::Own<kj::WebSocket> socket;
  ThrottledStream stream;
  capnp::TwoPartyVatNetwork network;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc;

  Impl(kj::Own<kj::WebSocket> s, capnp::Capability::Client bootstrap)
      : socket(kj::mv(s)), stream(newWebSocketStream(*socket, MAX_FRAME, WINDOW)),
        network(stream, capnp::rpc::twoparty::Side::SERVER, readerOptions()),
        rpc(capnp::makeRpcServer(network, kj::mv(bootstrap))) {
    setLimits();
  }

  explicit Impl(kj::Own<kj::WebSocket> s)
      : socket(kj::mv(s)), stream(newWebSocketStream(*socket, MAX_FRAME, WINDOW)),
        network(stream, capnp::rpc::twoparty::Side::CLIENT, readerOptions()),
        rpc(capnp::makeRpcClient(network)) {
    setLimits();
  }

  void setLimits() {
    stream.unsent = [this]() { return network.getCurrentQueueSize(); };
    rpc.setFlowLimit(FLOW_LIMIT);
  }
};

RpcConnection::RpcConnection(kj::Own<kj::WebSocket> socket, capnp::Capability::Client bootstrap)
    : impl(kj::heap<Impl>(kj::mv(socket), kj::mv(bootstrap))) {}
RpcConnection::RpcConnection(kj::Own<kj::WebSocket> socket): impl(kj::heap<Impl>(kj::mv(socket))) {}
RpcConnection::~RpcConnection() noexcept(false) {}

capnp::Capability::Client RpcConnection::bootstrap() {
  capnp::MallocMessageBuilder message(4);
  auto id = message.getRoot<capnp::rpc::twoparty::VatId>();
  id.setSide(capnp::rpc::twoparty::Side::SERVER);
  return impl->rpc.bootstrap(id);
}

kj::Promise<void> RpcConnection::onDisconnect() {
  return impl->network.onDisconnect();
}

}  // namespace sandbridge
