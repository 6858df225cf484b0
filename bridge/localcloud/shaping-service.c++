#include "localcloud/shaping-service.h"

#include "base/coroutine.h"
#include "base/json.h"
#include "localcloud/http-reply.h"
#include "localcloud/late-websocket.h"
#include "localcloud/shaped-connection.h"
#include "net/http-server.h"

#include <kj/debug.h>
#include <kj/refcount.h>

#include <deque>

namespace sandbridge::localcloud {

namespace {

// What may be under way at once in one answer: so much that latency does not throttle it.
constexpr size_t IN_FLIGHT = 16u << 20;
// The same where the answer trickles, so that its sender feels it.
constexpr size_t IN_FLIGHT_SLOW = 64u << 10;

// The server closes a connection whose request ends like this, and says nothing.
kj::Exception closing(kj::StringPtr why) {
  return kj::Exception(kj::Exception::Type::DISCONNECTED, __FILE__, __LINE__, kj::heapString(why));
}

// An answer between its writer, who hands it in as it comes, and the network, which gets it later.
class Answer final : public kj::Refcounted {
 public:
  Answer(kj::Timer& timer, kj::Duration latency, const Treatment& treatment)
      : timer(timer), latency(latency), cut(treatment.cut), ending(treatment.cutEnding),
        rate(treatment.bytesPerSecond) {}

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
  kj::Promise<void> deliver(kj::HttpService::Response& response, ShapedConnection& connection) {
    while (head == nullptr && !ended) co_await wait(changed);
    kj::Own<kj::AsyncOutputStream> to;
    KJ_IF_MAYBE(h, head) {
      co_await timer.atTime(headDue);
      to = response.send(h->status, h->text, h->headers, h->size);
      // The library writes the head when its turn comes, and not at all if the answer is given up before.
      co_await kj::evalLast([]() {});
      for (;;) {
        if (cut.orDefault(UINT64_MAX) == 0) {
          if (ending == Fault::WHOLE) co_return;
          if (ending == Fault::BY_RST) connection.reset();
          kj::throwFatalException(closing("the answer is cut here"));
        }
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
  Fault::Ending ending;
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
    KJ_IF_MAYBE(r, rate) return trickle(to, bytes, *r, timer);
    return to.write(bytes.begin(), bytes.size());
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
  ShapedResponse(Answer& answer, Response& inner, ShapedConnection& connection, kj::Timer& timer, kj::Duration latency,
                 const Treatment& treatment)
      : answer(answer), inner(inner), connection(connection), timer(timer), latency(latency), treatment(treatment) {}

  // Of a WebSocket that was accepted.
  kj::Maybe<kj::Own<LateWebSocket>> late;

  kj::Own<kj::AsyncOutputStream> send(kj::uint status, kj::StringPtr text, const kj::HttpHeaders& headers,
                                      kj::Maybe<uint64_t> size) override {
    answer.begin(status, text, headers, size);
    return kj::heap<ShapedBody>(kj::addRef(answer));
  }
  kj::Own<kj::WebSocket> acceptWebSocket(const kj::HttpHeaders& headers) override {
    if (treatment.cut != nullptr || treatment.bytesPerSecond != nullptr) {
      connection.shapeFrames({treatment.cut, treatment.cutEnding == Fault::BY_RST, treatment.bytesPerSecond});
    }
    auto socket = inner.acceptWebSocket(headers);
    if (latency == 0 * kj::SECONDS) return socket;
    auto way = newLateWebSocket(kj::mv(socket), timer, latency);
    auto end = way->end();
    late = kj::mv(way);
    return end;
  }

 private:
  Answer& answer;
  Response& inner;
  ShapedConnection& connection;
  kj::Timer& timer;
  kj::Duration latency;
  const Treatment& treatment;
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

// What all connections of a server share.
struct Shaper {
  kj::HttpService& inner;
  const kj::HttpHeaderTable& table;
  kj::Timer& timer;
  kj::Duration latency;
  Faults faults;
  kj::TimePoint started;
};

// The service of one connection.
class ShapingService final : public kj::HttpService {
 public:
  ShapingService(Shaper& shaper, ShapedConnection& connection): shaper(shaper), connection(connection) {}

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream& body, Response& response) override {
    auto& timer = shaper.timer;
    auto latency = shaper.latency;
    auto path = url.slice(0, url.findFirst('?').orDefault(url.size()));
    auto treatment = shaper.faults.decide(kj::str(method), path, timer.now() - shaper.started);
    if (latency > 0 * kj::SECONDS) co_await timer.afterDelay(latency);
    KJ_IF_MAYBE(fault, treatment.failure) {
      if (fault->afterEffect) {
        LostResponse lost;
        // Its outcome is what gets lost.
        co_await shaper.inner.request(method, url, headers, body, lost).catch_([](kj::Exception&&) {});
      }
      if (latency > 0 * kj::SECONDS) co_await timer.afterDelay(latency);
      co_await fail(*fault, response);
      co_return;
    }
    if (latency == 0 * kj::SECONDS && treatment.cut == nullptr && treatment.bytesPerSecond == nullptr) {
      co_await shaper.inner.request(method, url, headers, body, response);
      co_return;
    }

    auto answer = kj::refcounted<Answer>(timer, latency, treatment);
    ShapedResponse shaped(*answer, response, connection, timer, latency, treatment);
    auto serving = shaper.inner.request(method, url, headers, body, shaped)
        .then([&shaped]() -> kj::Promise<void> {
          KJ_IF_MAYBE(late, shaped.late) return (*late)->drained();
          return kj::READY_NOW;
        })
        .then([&answer = *answer]() { answer.end(nullptr); },
              [&answer = *answer](kj::Exception&& e) { answer.end(kj::mv(e)); })
        .then([]() -> kj::Promise<void> { return kj::NEVER_DONE; });
    co_await answer->deliver(response, connection).exclusiveJoin(kj::mv(serving));
  }

 private:
  Shaper& shaper;
  ShapedConnection& connection;

  // In place of an answer.
  kj::Promise<void> fail(const Fault& fault, Response& response) {
    bool reset = fault.kind == Fault::RESET || (fault.kind == Fault::OUTAGE && fault.ending == Fault::BY_RST);
    if (reset) connection.reset();
    if (reset || fault.kind == Fault::CLOSE) return closing("the connection is broken here");
    if (fault.kind == Fault::HANG) return kj::NEVER_DONE;
    return refuse(fault, response);
  }

  kj::Promise<void> refuse(const Fault& fault, Response& response) {
    kj::HttpHeaders headers(shaper.table);
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

class ShapedPort final : public kj::ConnectionReceiver {
 public:
  ShapedPort(kj::ConnectionReceiver& inner, kj::Timer& timer): inner(inner), timer(timer) {}

  kj::Promise<kj::Own<kj::AsyncIoStream>> accept() override {
    return inner.accept().then([this](kj::Own<kj::AsyncIoStream> stream) -> kj::Own<kj::AsyncIoStream> {
      return kj::heap<ShapedConnection>(kj::mv(stream), timer);
    });
  }
  kj::uint getPort() override { return inner.getPort(); }
  void getsockopt(int level, int option, void* value, kj::uint* length) override {
    inner.getsockopt(level, option, value, length);
  }
  void setsockopt(int level, int option, const void* value, kj::uint length) override {
    inner.setsockopt(level, option, value, length);
  }

 private:
  kj::ConnectionReceiver& inner;
  kj::Timer& timer;
};

}  // namespace

kj::Promise<void> serveShaped(kj::ConnectionReceiver& port, kj::Timer& timer, const kj::HttpHeaderTable& table,
                              kj::HttpService& inner, Shaping shaping) {
  Shaper shaper{inner, table, timer, shaping.latency, Faults(shaping.faults.releaseAsArray()), timer.now()};
  ShapedPort shapedPort(port, timer);
  co_await serveHttp(shapedPort, timer, table, [&shaper](kj::AsyncIoStream& stream) -> kj::Own<kj::HttpService> {
    return kj::heap<ShapingService>(shaper, kj::downcast<ShapedConnection>(stream));
  });
}

}  // namespace sandbridge::localcloud
