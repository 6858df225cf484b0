#include "localcloud/late-websocket.h"

#include "base/coroutine.h"

#include <deque>

namespace sandbridge::localcloud {

namespace {

// What may be under way in one direction: so much that latency does not throttle it.
constexpr size_t IN_FLIGHT = 16u << 20;

using Message = kj::WebSocket::Message;

size_t sizeOf(const Message& message) {
  KJ_SWITCH_ONEOF(message) {
    KJ_CASE_ONEOF(text, kj::String) { return text.size(); }
    KJ_CASE_ONEOF(bytes, kj::Array<kj::byte>) { return bytes.size(); }
    KJ_CASE_ONEOF(close, kj::WebSocket::Close) { return close.reason.size(); }
  }
  KJ_UNREACHABLE;
}

// Messages with the time at which they arrive. One writer, one reader.
class Way {
 public:
  Way(kj::Timer& timer, kj::Duration latency): timer(timer), latency(latency) {}

  kj::Promise<void> put(Message message) {
    underWay += sizeOf(message);
    queue.push_back({timer.now() + latency, kj::mv(message)});
    tell(changed);
    return underWay <= IN_FLIGHT ? kj::Promise<void>(kj::READY_NOW) : wait(room);
  }
  // After what is under way.
  void fail(kj::Exception why) {
    failure = kj::mv(why);
    failureDue = timer.now() + latency;
    tell(changed);
  }
  // Rejects with what fail() was given. A reader that gives up waiting loses no message.
  kj::Promise<Message> take() {
    while (queue.empty() && failure == nullptr) co_await wait(changed);
    if (queue.empty()) {
      co_await timer.atTime(failureDue);
      kj::throwFatalException(kj::cp(KJ_ASSERT_NONNULL(failure)));
    }
    co_await timer.atTime(queue.front().due);
    auto message = kj::mv(queue.front().message);
    queue.pop_front();
    underWay -= sizeOf(message);
    tell(room);
    co_return kj::mv(message);
  }

 private:
  struct Late {
    kj::TimePoint due;
    Message message;
  };
  using Waiter = kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>>;

  kj::Timer& timer;
  kj::Duration latency;
  std::deque<Late> queue;
  size_t underWay = 0;
  kj::Maybe<kj::Exception> failure;
  kj::TimePoint failureDue = kj::origin<kj::TimePoint>();
  Waiter changed, room;

  static void tell(Waiter& waiter) {
    KJ_IF_MAYBE(w, waiter) (*w)->fulfill();
    waiter = nullptr;
  }
  static kj::Promise<void> wait(Waiter& waiter) {
    auto paf = kj::newPromiseAndFulfiller<void>();
    waiter = kj::mv(paf.fulfiller);
    return kj::mv(paf.promise);
  }
};

class LateWebSocketImpl final : public LateWebSocket {
 public:
  LateWebSocketImpl(kj::Own<kj::WebSocket> innerParam, kj::Timer& timer, kj::Duration latency)
      : inner(kj::mv(innerParam)), out(timer, latency), in(timer, latency), ended(nullptr) {
    auto sending = send().catch_([this](kj::Exception&& e) { sendFailure = kj::mv(e); }).fork();
    ended = kj::mv(sending);
    sendingTask = ended.addBranch().eagerlyEvaluate(nullptr);
  }

  kj::Own<kj::WebSocket> end() override { return kj::heap<End>(kj::addRef(*this)); }

  kj::Promise<void> drained() override {
    out.fail(KJ_EXCEPTION(DISCONNECTED, "nothing more is sent"));
    return ended.addBranch();
  }

 private:
  kj::Own<kj::WebSocket> inner;
  Way out, in;
  bool receiving = false;
  kj::Maybe<kj::Exception> sendFailure;
  kj::ForkedPromise<void> ended;
  kj::Promise<void> sendingTask = nullptr, receivingTask = nullptr;

  kj::Promise<void> send() {
    for (;;) {
      auto message = co_await out.take();
      KJ_SWITCH_ONEOF(message) {
        KJ_CASE_ONEOF(text, kj::String) { co_await inner->send(text.asArray()); }
        KJ_CASE_ONEOF(bytes, kj::Array<kj::byte>) { co_await inner->send(bytes.asPtr()); }
        KJ_CASE_ONEOF(close, kj::WebSocket::Close) {
          co_await inner->close(close.code, close.reason);
          co_return;
        }
      }
    }
  }

  kj::Promise<void> receive(size_t maxSize) {
    for (;;) {
      auto message = co_await inner->receive(maxSize);
      bool last = message.is<kj::WebSocket::Close>();
      co_await in.put(kj::mv(message));
      if (last) co_return;
    }
  }

  class End final : public kj::WebSocket {
   public:
    explicit End(kj::Own<LateWebSocketImpl> way): way(kj::mv(way)) {}

    kj::Promise<void> send(kj::ArrayPtr<const kj::byte> message) override {
      return put(Message(kj::heapArray(message)));
    }
    kj::Promise<void> send(kj::ArrayPtr<const char> message) override { return put(Message(kj::heapString(message))); }
    // Resolves when it has gone out: afterwards the server may let go of the connection.
    kj::Promise<void> close(uint16_t code, kj::StringPtr reason) override {
      auto queued = put(Message(Close{code, kj::heapString(reason)}));
      return queued.then([this]() { return way->ended.addBranch(); });
    }
    kj::Promise<void> disconnect() override {
      return way->drained().then([this]() { return way->inner->disconnect(); });
    }
    void abort() override { way->inner->abort(); }
    kj::Promise<void> whenAborted() override { return way->inner->whenAborted(); }
    kj::Promise<Message> receive(size_t maxSize) override {
      if (!way->receiving) {
        way->receiving = true;
        way->receivingTask = way->receive(maxSize).eagerlyEvaluate([&in = way->in](kj::Exception&& e) {
          in.fail(kj::mv(e));
        });
      }
      return way->in.take();
    }
    uint64_t sentByteCount() override { return way->inner->sentByteCount(); }
    uint64_t receivedByteCount() override { return way->inner->receivedByteCount(); }

   private:
    kj::Own<LateWebSocketImpl> way;

    kj::Promise<void> put(Message message) {
      KJ_IF_MAYBE(e, way->sendFailure) return kj::cp(*e);
      return way->out.put(kj::mv(message));
    }
  };
};

}  // namespace

kj::Own<LateWebSocket> newLateWebSocket(kj::Own<kj::WebSocket> inner, kj::Timer& timer, kj::Duration latency) {
  return kj::refcounted<LateWebSocketImpl>(kj::mv(inner), timer, latency);
}

}  // namespace sandbridge::localcloud
