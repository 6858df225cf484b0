#include "localcloud/shaping-service.h"

#include "base/coroutine.h"
#include "base/json.h"
#include "localcloud/http-reply.h"

#include <kj/refcount.h>

#include <deque>

namespace sandbridge::localcloud {

namespace {

// What may be under way at once in one answer: so much that latency does not throttle it.
constexpr size_t IN_FLIGHT = 16u << 20;
// The same where the answer trickles, so that its sender feels it.
constexpr size_t IN_FLIGHT_SLOW = 64u << 10;
constexpr kj::Duration TRICKLE = 50 * kj::MILLISECONDS;

// The server closes a connection whose request ends like this, and says nothing.
kj::Exception closing(kj::StringPtr why) {
  return kj::Exception(kj::Exception::Type::DISCONNECTED, __FILE__, __LINE__, kj::heapString(why));
}

// An answer between its writer, who hands it in as it comes, and the network, which gets it later.
class Answer final : public kj::Refcounted {
 public:
  Answer(kj::Timer& timer, kj::Duration latency, const Treatment& treatment)
      : timer(timer), latency(latency), cut(treatment.cut), rate(treatment.bytesPerSecond) {}

  void begin(unsigned status, kj::StringPtr text, const kj::HttpHeaders& headers, kj::Maybe<uint64_t> size) {
    head = Head{status, kj::heapString(text), headers.clone(), size};
    headDue = timer.now() + latency;
    tell(changed);
  }

  kj::Promise<void> add(kj::Array<kj::byte> bytes) {
    queued += bytes.size();
    queue.push_back(Piece{timer.now() + latency, kj::mv(bytes)});
    tell(changed);
    if (queued <= (rate == nullptr ? IN_FLIGHT : IN_FLIGHT_SLOW)) return kj::READY_NOW;
    return wait(room);
  }

  // Nothing more comes.
  void end(kj::Maybe<kj::Exception> why) {
    ended = true;
    endDue = timer.now() + latency;
    failure = kj::mv(why);
    tell(changed);
  }

  // To the end; rejects as the writer did, or where the answer is cut.
  kj::Promise<void> deliver(kj::HttpService::Response& response) {
    while (head == nullptr && !ended) co_await wait(changed);
    kj::Own<kj::AsyncOutputStream> to;
    KJ_IF_MAYBE(h, head) {
      co_await timer.atTime(headDue);
      to = response.send(h->status, h->text, h->headers, h->size);
      // The library writes the head when its turn comes, and not at all if the answer is given up before.
      co_await kj::evalLast([]() {});
      for (;;) {
        if (cut.orDefault(UINT64_MAX) == 0) kj::throwFatalException(closing("the answer is cut here"));
        while (queue.empty() && !ended) co_await wait(changed);
        if (queue.empty()) break;
        auto piece = kj::mv(queue.front());
        queue.pop_front();
        co_await timer.atTime(piece.due);
        co_await pass(*to, piece.bytes);
        queued -= piece.bytes.size();
        tell(room);
      }
    }
    co_await timer.atTime(endDue);
    KJ_IF_MAYBE(e, failure) kj::throwFatalException(kj::mv(*e));
  }

 private:
  struct Head {
    unsigned status;
    kj::String text;
    kj::HttpHeaders headers;
    kj::Maybe<uint64_t> size;
  };
  struct Piece {
    kj::TimePoint due;
    kj::Array<kj::byte> bytes;
  };
  using Waiter = kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>>;

  kj::Timer& timer;
  kj::Duration latency;
  kj::Maybe<uint64_t> cut;  // bytes left before it
  kj::Maybe<uint64_t> rate;
  kj::Maybe<Head> head;
  kj::TimePoint headDue = kj::origin<kj::TimePoint>();
  std::deque<Piece> queue;
  size_t queued = 0;
  bool ended = false;
  kj::TimePoint endDue = kj::origin<kj::TimePoint>();
  kj::Maybe<kj::Exception> failure;
  Waiter changed;  // of the network's side
  Waiter room;     // of the writer's

  static void tell(Waiter& waiter) {
    KJ_IF_MAYBE(w, waiter) (*w)->fulfill();
    waiter = nullptr;
  }
  static kj::Promise<void> wait(Waiter& waiter) {
    auto paf = kj::newPromiseAndFulfiller<void>();
    waiter = kj::mv(paf.fulfiller);
    return kj::mv(paf.promise);
  }

  kj::Promise<void> pass(kj::AsyncOutputStream& to, kj::ArrayPtr<const kj::byte> bytes) {
    KJ_IF_MAYBE(left, cut) {
      bytes = bytes.slice(0, kj::min(bytes.size(), *left));
      *left -= bytes.size();
    }
    auto r = rate.orDefault(0);
    if (r == 0) {
      co_await to.write(bytes.begin(), bytes.size());
      co_return;
    }
    auto steps = static_cast<uint64_t>(kj::SECONDS / TRICKLE);
    size_t step = kj::max<uint64_t>(1, r / steps);
    while (bytes.size() > 0) {
      auto now = bytes.slice(0, kj::min(bytes.size(), step));
      co_await to.write(now.begin(), now.size());
      bytes = bytes.slice(now.size(), bytes.size());
      co_await timer.afterDelay(static_cast<int64_t>(now.size() * 1e9 / r) * kj::NANOSECONDS);
    }
  }
};

class ShapedBody final : public kj::AsyncOutputStream {
 public:
  explicit ShapedBody(kj::Own<Answer> answer): answer(kj::mv(answer)) {}

  // A write that is given up at once must leave nothing behind, as on a socket: hence not before the next turn of the loop.
  kj::Promise<void> write(const void* buffer, size_t size) override {
    return kj::evalLater([this, buffer, size]() {
      return answer->add(kj::heapArray<kj::byte>(static_cast<const kj::byte*>(buffer), size));
    });
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    return kj::evalLater([this, pieces]() {
      kj::Vector<kj::byte> all;
      for (auto piece: pieces) all.addAll(piece);
      return answer->add(all.releaseAsArray());
    });
  }
  kj::Promise<void> whenWriteDisconnected() override { return kj::NEVER_DONE; }

 private:
  kj::Own<Answer> answer;
};

class ShapedResponse final : public kj::HttpService::Response {
 public:
  ShapedResponse(Answer& answer, Response& inner): answer(answer), inner(inner) {}

  kj::Own<kj::AsyncOutputStream> send(kj::uint status, kj::StringPtr text, const kj::HttpHeaders& headers,
                                      kj::Maybe<uint64_t> size) override {
    answer.begin(status, text, headers, size);
    return kj::heap<ShapedBody>(kj::addRef(answer));
  }
  kj::Own<kj::WebSocket> acceptWebSocket(const kj::HttpHeaders& headers) override {
    return inner.acceptWebSocket(headers);
  }

 private:
  Answer& answer;
  Response& inner;
};

// Where a lost answer goes.
class LostResponse final : public kj::HttpService::Response {
 public:
  kj::Own<kj::AsyncOutputStream> send(kj::uint, kj::StringPtr, const kj::HttpHeaders&, kj::Maybe<uint64_t>) override {
    return kj::heap<Nowhere>();
  }
  kj::Own<kj::WebSocket> acceptWebSocket(const kj::HttpHeaders&) override {
    kj::throwFatalException(closing("the answer is lost"));
  }

 private:
  class Nowhere final : public kj::AsyncOutputStream {
   public:
    kj::Promise<void> write(const void*, size_t) override { return kj::READY_NOW; }
    kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>>) override { return kj::READY_NOW; }
    kj::Promise<void> whenWriteDisconnected() override { return kj::NEVER_DONE; }
  };
};

class ShapingService final : public kj::HttpService {
 public:
  ShapingService(kj::HttpService& inner, const kj::HttpHeaderTable& table, kj::Timer& timer, Shaping shaping)
      : inner(inner), table(table), timer(timer), latency(shaping.latency),
        faults(shaping.faults.releaseAsArray()), started(timer.now()) {}

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream& body, Response& response) override {
    auto path = url.slice(0, url.findFirst('?').orDefault(url.size()));
    auto treatment = faults.decide(kj::str(method), path, timer.now() - started);
    if (latency > 0 * kj::SECONDS) co_await timer.afterDelay(latency);
    KJ_IF_MAYBE(fault, treatment.failure) {
      if (fault->afterEffect) {
        LostResponse lost;
        // Its outcome is what gets lost.
        co_await inner.request(method, url, headers, body, lost).catch_([](kj::Exception&&) {});
      }
      if (latency > 0 * kj::SECONDS) co_await timer.afterDelay(latency);
      if (fault->kind == Fault::RESET) kj::throwFatalException(closing("the connection is reset here"));
      co_await refuse(*fault, response);
      co_return;
    }
    if (latency == 0 * kj::SECONDS && treatment.cut == nullptr && treatment.bytesPerSecond == nullptr) {
      co_await inner.request(method, url, headers, body, response);
      co_return;
    }

    auto answer = kj::refcounted<Answer>(timer, latency, treatment);
    ShapedResponse shaped(*answer, response);
    auto serving = inner.request(method, url, headers, body, shaped)
        .then([&answer = *answer]() { answer.end(nullptr); },
              [&answer = *answer](kj::Exception&& e) { answer.end(kj::mv(e)); })
        .then([]() -> kj::Promise<void> { return kj::NEVER_DONE; });
    co_await answer->deliver(response).exclusiveJoin(kj::mv(serving));
  }

 private:
  kj::HttpService& inner;
  const kj::HttpHeaderTable& table;
  kj::Timer& timer;
  kj::Duration latency;
  Faults faults;
  kj::TimePoint started;

  kj::Promise<void> refuse(const Fault& fault, Response& response) {
    kj::HttpHeaders headers(table);
    KJ_IF_MAYBE(seconds, fault.retryAfter) headers.add("Retry-After", kj::str(*seconds));
    auto text = kj::str(fault.kind == Fault::OUTAGE ? "the control plane is away" : "a fault that was asked for");
    if (fault.code.size() > 0) {
      JsonWriter json;
      json.beginObject().field("error", text).field("code", fault.code).endObject();
      text = json.finish();
    }
    headers.set(kj::HttpHeaderId::CONTENT_TYPE, fault.code.size() > 0 ? "application/json" : "text/plain");
    auto stream = response.send(fault.status, reasonPhrase(fault.status), headers, text.size());
    co_await stream->write(text.begin(), text.size());
  }
};

}  // namespace

kj::Own<kj::HttpService> newShapingService(kj::HttpService& inner, const kj::HttpHeaderTable& table,
                                           kj::Timer& timer, Shaping shaping) {
  return kj::heap<ShapingService>(inner, table, timer, kj::mv(shaping));
}

}  // namespace sandbridge::localcloud
