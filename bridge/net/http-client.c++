#include "net/http-client.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "net/http-transfer.h"
#include "net/stream-slots.h"

#include <string.h>

#include <kj/debug.h>
#include <kj/vector.h>

namespace sandbridge {
namespace {

constexpr unsigned MAX_STREAMS = MAX_HOST_CONNECTIONS - 32;

// The response's body; the transfer lives as long as it.
class BodyStream final : public kj::AsyncInputStream {
 public:
  BodyStream(kj::Own<HttpTransfer> transfer, kj::Maybe<kj::Own<StreamSlots::Slot>> slot)
      : slot(kj::mv(slot)), transfer(kj::mv(transfer)), left(this->transfer->bodySize()) {}

  kj::Promise<size_t> tryRead(void* buffer, size_t minBytes, size_t maxBytes) override {
    auto n = co_await transfer->read(kj::arrayPtr(static_cast<kj::byte*>(buffer), maxBytes), minBytes);
    KJ_IF_MAYBE (l, left) *l -= kj::min(n, *l);
    co_return n;
  }

  kj::Maybe<uint64_t> tryGetLength() override { return left; }

  // KJ's own pump moves 4 KiB a step.
  kj::Promise<uint64_t> pumpTo(kj::AsyncOutputStream& output, uint64_t amount) override {
    auto buffer = kj::heapArray<kj::byte>(64 * 1024);
    uint64_t total = 0;
    while (total < amount) {
      auto wanted = kj::min(amount - total, buffer.size());
      auto n = co_await transfer->read(buffer.slice(0, wanted), 1);
      if (n == 0) break;
      KJ_IF_MAYBE (l, left) *l -= kj::min(n, *l);
      co_await output.write(buffer.begin(), n);
      total += n;
    }
    co_return total;
  }

 private:
  kj::Maybe<kj::Own<StreamSlots::Slot>> slot;  // until the connection is free again
  kj::Own<HttpTransfer> transfer;
  kj::Maybe<uint64_t> left;  // as the server has told; where the body is encoded it may tell another
};

class HttpClientImpl final : public HttpClient {
 public:
  HttpClientImpl(kj::UnixEventPort& port, kj::Timer& timer)
      : loop(kj::refcounted<CurlLoop>(port, timer)) {}

  kj::Promise<Response> send(Request request) override {
    bool lasting = request.lasting;
    auto patience = request.answerTimeout;
    kj::Maybe<kj::Own<StreamSlots::Slot>> slot;
    auto transfer = kj::refcounted<HttpTransfer>(kj::addRef(*loop), kj::mv(request));
    if (lasting) slot = co_await take(transfer->hostAndPort(), patience);
    co_await transfer->start();
    auto status = transfer->status();
    auto headers = transfer->takeHeaders();
    co_return Response{status, kj::mv(headers),
                       kj::heap<BodyStream>(kj::mv(transfer), kj::mv(slot))};
  }

 private:
  kj::Own<CurlLoop> loop;
  kj::Own<StreamSlots> slots = kj::refcounted<StreamSlots>(MAX_STREAMS);

  kj::Promise<kj::Own<StreamSlots::Slot>> take(kj::StringPtr host,
                                               kj::Maybe<kj::Duration> patience) {
    auto taking = slots->take(host);
    KJ_IF_MAYBE (limit, patience) {
      auto text = kj::str("all ", MAX_STREAMS, " connections to ", host,
                          " that commands may hold are in use");
      return taking.exclusiveJoin(loop->timer.afterDelay(*limit).then(
          [text = kj::mv(text)]() -> kj::Promise<kj::Own<StreamSlots::Slot>> {
            return HttpTransfer::notSent(ErrorKind::UNAVAILABLE, text);
          }));
    }
    return taking;
  }
};

}  // namespace

kj::Maybe<kj::StringPtr> HttpClient::Response::header(kj::StringPtr lowerCaseName) const {
  for (auto& h : headers) {
    if (h.name == lowerCaseName) return kj::StringPtr(h.value);
  }
  return nullptr;
}

TransportPhase HttpClient::phaseOf(const kj::Exception& e) {
  return kj::StringPtr(e.getFile()) == HttpTransfer::NOT_SENT_MARK ? TransportPhase::NOT_SENT
                                                                  : TransportPhase::SENT;
}

kj::Own<HttpClient> newHttpClient(kj::UnixEventPort& port, kj::Timer& timer) {
  return kj::heap<HttpClientImpl>(port, timer);
}

kj::Promise<kj::Array<kj::byte>> readBody(HttpClient::Response& response, size_t limit) {
  kj::Vector<kj::byte> out;
  auto buffer = kj::heapArray<kj::byte>(64 * 1024);
  for (;;) {
    auto n = co_await response.body->tryRead(buffer.begin(), 1, buffer.size());
    if (n == 0) co_return out.releaseAsArray();
    if (n > limit - out.size()) {
      throwError(ErrorKind::INVALID_ARGUMENT,
                 kj::str("the answer is longer than the ", limit, " bytes that are allowed"));
    }
    out.addAll(buffer.slice(0, n));
  }
}

}  // namespace sandbridge
