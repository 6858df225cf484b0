// The other side of the TypeScript vat's tests (plugin/test/vat*.test.ts): the C++ library's vat over WebSocket.
// Prints its port on stdout and serves until stdin ends.

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/compat/http.h>
#include <stdio.h>
#include <unistd.h>

#include "base/coroutine.h"
#include "net/http-server.h"
#include "net/websocket-stream.h"
#include "vat-test.capnp.h"

namespace sandbridge::vattest {
namespace {

struct Shared {
  uint32_t sessions = 0, hanging = 0, cancelled = 0, sinks = 0;
  kj::Vector<kj::Own<kj::PromiseFulfiller<void>>> late;     // until resolveLate
  kj::Vector<kj::Own<kj::PromiseFulfiller<void>>> stalled;  // until flow
  bool flowing = false;

  static void fulfillAll(kj::Vector<kj::Own<kj::PromiseFulfiller<void>>>& waiting) {
    auto all = kj::mv(waiting);
    for (auto& one : all) one->fulfill();
  }
  static kj::Promise<void> wait(kj::Vector<kj::Own<kj::PromiseFulfiller<void>>>& waiting) {
    auto paf = kj::newPromiseAndFulfiller<void>();
    waiting.add(kj::mv(paf.fulfiller));
    return kj::mv(paf.promise);
  }
};

class Sink final : public TestSink::Server {
 public:
  Sink(Shared& shared, bool stalls) : shared(shared), stalls(stalls) { ++shared.sinks; }
  ~Sink() { --shared.sinks; }

  kj::Promise<void> write(WriteContext context) override {
    auto chunk = context.getParams().getChunk();
    KJ_REQUIRE(chunk.size() == 0 || chunk[0] != '!', "failed: a chunk that fails");
    total += chunk.size();
    if (stalls && !shared.flowing) return Shared::wait(shared.stalled);
    return kj::READY_NOW;
  }
  kj::Promise<void> done(DoneContext context) override {
    context.getResults().setTotal(total);
    return kj::READY_NOW;
  }
  kj::Promise<void> number(NumberContext context) override {
    context.getResults().setValue(context.getParams().getValue());
    return kj::READY_NOW;
  }

 private:
  Shared& shared;
  bool stalls;
  uint64_t total = 0;
};

class Session final : public TestSession::Server {
 public:
  Session(Shared& shared, kj::StringPtr id) : shared(shared), id(kj::str(id)) { ++shared.sessions; }
  ~Session() { --shared.sessions; }

  kj::Promise<void> name(NameContext context) override {
    context.getResults().setId(id);
    return kj::READY_NOW;
  }
  kj::Promise<void> upload(UploadContext context) override {
    context.getResults().setSink(kj::heap<Sink>(shared, false));
    return kj::READY_NOW;
  }

 private:
  Shared& shared;
  kj::String id;
};

// Counts a call that waits, and one that was dropped before it was done.
struct Waiting {
  Shared& shared;
  bool done = false;
  explicit Waiting(Shared& shared) : shared(shared) { ++shared.hanging; }
  ~Waiting() {
    --shared.hanging;
    if (!done) ++shared.cancelled;
  }
};

class Api final : public VatTest::Server {
 public:
  explicit Api(Shared& shared) : shared(shared) {}

  kj::Promise<void> echo(EchoContext context) override {
    auto data = context.getParams().getData();
    context.initResults(capnp::MessageSize{data.size() / 8 + 8, 0}).setData(data);
    return kj::READY_NOW;
  }
  kj::Promise<void> fail(FailContext context) override {
    auto params = context.getParams();
    return kj::Exception(static_cast<kj::Exception::Type>(params.getType()), __FILE__, __LINE__,
                         kj::str(params.getReason()));
  }
  kj::Promise<void> stats(StatsContext context) override {
    auto results = context.getResults();
    results.setSessions(shared.sessions);
    results.setHanging(shared.hanging);
    results.setCancelled(shared.cancelled);
    results.setSinks(shared.sinks);
    return kj::READY_NOW;
  }
  kj::Promise<void> openSession(OpenSessionContext context) override {
    auto id = context.getParams().getId();
    KJ_REQUIRE(id != "bad", "no such session", id);
    context.getResults().setSession(kj::heap<Session>(shared, id));
    return kj::READY_NOW;
  }
  kj::Promise<void> lateSession(LateSessionContext context) override {
    context.getResults().setSession(Shared::wait(shared.late).then(
        [this]() -> TestSession::Client { return kj::heap<Session>(shared, "late"); }));
    return kj::READY_NOW;
  }
  kj::Promise<void> resolveLate(ResolveLateContext context) override {
    Shared::fulfillAll(shared.late);
    return kj::READY_NOW;
  }
  kj::Promise<void> same(SameContext context) override {
    context.getResults().setSink(context.getParams().getSink());
    return kj::READY_NOW;
  }
  kj::Promise<void> sameLate(SameLateContext context) override {
    context.getResults().setSink(Shared::wait(shared.late).then(
        [sink = context.getParams().getSink()]() mutable { return kj::mv(sink); }));
    return kj::READY_NOW;
  }
  kj::Promise<void> hang(HangContext context) override {
    context.allowCancellation();
    Waiting waiting(shared);
    co_await kj::Promise<void>(kj::NEVER_DONE);
    waiting.done = true;
  }
  kj::Promise<void> hangOn(HangOnContext context) override {
    context.allowCancellation();
    Waiting waiting(shared);
    auto sink = context.getParams().getSink();
    co_await sink.waitRequest().send().ignoreResult();
    waiting.done = true;
  }
  kj::Promise<void> pump(PumpContext context) override {
    context.allowCancellation();
    auto params = context.getParams();
    auto sink = params.getSink();
    uint64_t left = params.getBytes(), chunk = params.getChunk();
    context.getResults().setSent(left);
    while (left > 0) {
      auto size = kj::min(left, chunk);
      auto request = sink.writeRequest(capnp::MessageSize{size / 8 + 8, 0});
      memset(request.initChunk(size).begin(), 'x', size);
      co_await request.send();
      left -= size;
    }
    co_await sink.doneRequest().send().ignoreResult();
  }
  kj::Promise<void> hasSink(HasSinkContext context) override {
    context.getResults().setPresent(context.getParams().hasSink());
    return kj::READY_NOW;
  }
  kj::Promise<void> twoSinks(TwoSinksContext context) override {
    context.getResults().setFirst(kj::heap<Sink>(shared, false));
    return kj::READY_NOW;
  }
  kj::Promise<void> stalledSink(StalledSinkContext context) override {
    shared.flowing = false;
    context.getResults().setSink(kj::heap<Sink>(shared, true));
    return kj::READY_NOW;
  }
  kj::Promise<void> flow(FlowContext context) override {
    shared.flowing = true;
    Shared::fulfillAll(shared.stalled);
    return kj::READY_NOW;
  }
  kj::Promise<void> crash(CrashContext context) override { _exit(1); }
  kj::Promise<void> wide(WideContext context) override { return kj::READY_NOW; }

 private:
  Shared& shared;
};

class Service final : public kj::HttpService {
 public:
  Service(const kj::HttpHeaderTable& table, VatTest::Client api) : table(table), api(kj::mv(api)) {}

  kj::Promise<void> request(kj::HttpMethod, kj::StringPtr, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream&, Response& response) override {
    KJ_REQUIRE(headers.isWebSocket());
    kj::HttpHeaders answer(table);
    auto socket = response.acceptWebSocket(answer);
    auto stream = newWebSocketStream(*socket, 32u << 20, 1u << 20);
    capnp::TwoPartyVatNetwork network(*stream, capnp::rpc::twoparty::Side::SERVER);
    auto rpc = capnp::makeRpcServer(network, api);
    co_await network.onDisconnect();
  }

 private:
  const kj::HttpHeaderTable& table;
  VatTest::Client api;
};

void run() {
  Shared shared;  // outlives the event loop, which ends connections and what they hold
  auto io = kj::setupAsyncIo();
  kj::HttpHeaderTable table;
  Service service(table, kj::heap<Api>(shared));
  auto address = io.provider->getNetwork().parseAddress("127.0.0.1:0").wait(io.waitScope);
  auto port = address->listen();
  auto serving = serveHttp(*port, io.provider->getTimer(), table, service).eagerlyEvaluate(nullptr);
  printf("%u\n", port->getPort());
  fflush(stdout);
  auto input = io.lowLevelProvider->wrapInputFd(STDIN_FILENO);
  char byte;
  while (input->tryRead(&byte, 1, 1).wait(io.waitScope) > 0) {}
}

}  // namespace
}  // namespace sandbridge::vattest

int main() {
  sandbridge::vattest::run();
  return 0;
}
