// The bootstrap interface and sessions, over a real connection.

#include "rpc/fakes.h"

#include <catch2/catch.hpp>

namespace sandbridge::test {
namespace {

TEST_CASE("hello tells version, backend, workspace and tools") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto request = client->api().helloRequest();
  request.initClient().setName("test");
  auto response = request.send().wait(bridge.io.waitScope);
  auto server = response.getServer();
  CHECK(kj::str(server.getName()) == "sandbridge");
  CHECK(kj::str(server.getVersion()) == "1.2.3");
  CHECK(server.getBackend() == api::ServerInfo::Backend::LOCAL);
  CHECK(kj::str(server.getWorkspace()) == "/workspace");
  REQUIRE(server.getTools().size() == 2);
  CHECK(kj::str(server.getTools()[0]) == "bash");
}

TEST_CASE("a session's key is any bytes but none empty, and at most 64 KiB") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto open = [&](kj::StringPtr id, kj::StringPtr root) {
    auto request = client->api().sessionRequest();
    request.initKey().setId(id);
    request.getKey().setRoot(root);
    return request.send().ignoreResult();
  };
  auto empty = failureOf(open("", "root"), bridge.io.waitScope);
  CHECK(empty.kind == ErrorKind::INVALID_ARGUMENT);
  CHECK(empty.text == "the session's id is empty");
  auto longest = kj::heapString(64u << 10);
  memset(longest.begin(), 'x', longest.size());
  auto tooLong = kj::str(longest, "x");
  open(longest, longest).wait(bridge.io.waitScope);
  CHECK(failureOf(open(tooLong, ""), bridge.io.waitScope).kind == ErrorKind::INVALID_ARGUMENT);
  CHECK(failureOf(open("a", tooLong), bridge.io.waitScope).kind == ErrorKind::INVALID_ARGUMENT);
  for (kj::StringPtr hostile : {"../../etc"_kj, "'; rm -rf /"_kj, "\xff\n\x1b[31m"_kj, " "_kj}) {
    auto info = openSession(*client, hostile).infoRequest().send().wait(bridge.io.waitScope);
    CHECK(kj::str(info.getInfo().getId()) == hostile);
  }
}

TEST_CASE("a session with a root shares the root's sandbox") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto response = openSession(*client, "child", "root").prepareRequest().send().wait(bridge.io.waitScope);
  auto info = response.getInfo();
  CHECK(kj::str(info.getId()) == "root");
  CHECK(kj::str(info.getSandboxName()) == "opencode-root");
  CHECK(kj::str(info.getStatus()) == "running");
  CHECK(info.getCreatedAt() == 1700000000123);
  CHECK(kj::str(info.getWorkspace()) == "/workspace");
  CHECK(bridge.sessions.sessions.find("child"_kj) == nullptr);
}

TEST_CASE("what the tools keep running ends before the sandbox is suspended or deleted") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto session = openSession(*client, "s");
  session.prepareRequest().send().wait(bridge.io.waitScope);
  CHECK(bridge.rests == 0);
  session.suspendRequest().send().wait(bridge.io.waitScope);
  CHECK(bridge.rests == 1);
  CHECK(bridge.sessions.session("s").status == "suspended");
  session.destroyRequest().send().wait(bridge.io.waitScope);
  CHECK(bridge.rests == 2);
}

TEST_CASE("sandbox options arrive, and numbers that are none are refused") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto open = [&](double cpus) {
    auto request = client->api().sessionRequest();
    request.initKey().setId("s");
    auto options = request.initOptions();
    options.setImage("img");
    options.setCpus(cpus);
    options.setMemoryMb(512);
    options.setDiskMb(1024);
    options.setTimeoutSecs(60);
    return request.send().ignoreResult();
  };
  open(1.5).wait(bridge.io.waitScope);
  auto& options = bridge.sessions.lastOptions;
  CHECK(options.image == "img");
  CHECK(options.cpus == 1.5);
  CHECK(options.memoryMb == 512);
  CHECK(options.diskMb == 1024);
  CHECK(options.timeoutSecs == 60);
  for (double bad : {-1.0, double(NAN), double(INFINITY)}) {
    // A fresh session: the options of a known one are ignored.
    CHECK(failureOf(open(bad), bridge.io.waitScope).kind == ErrorKind::INVALID_ARGUMENT);
  }
}

TEST_CASE("sessions lists them all") {
  TestBridge bridge;
  auto client = bridge.connect();
  bridge.sessions.session("a");
  bridge.sessions.session("b");
  auto response = client->api().sessionsRequest().send().wait(bridge.io.waitScope);
  REQUIRE(response.getSessions().size() == 2);
  CHECK(kj::str(response.getSessions()[0].getWorkspace()) == "/workspace");
}

TEST_CASE("destroy goes on when its caller hangs up") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto& session = bridge.sessions.session("s");
  session.holdDestroy = true;
  auto destroying = openSession(*client, "s").destroyRequest().send().ignoreResult()
      .eagerlyEvaluate([](kj::Exception&&) {});
  waitUntil(bridge.io, [&]() { return session.destroying != nullptr; });
  client = nullptr;
  bridge.connect()->api().pingRequest().send().wait(bridge.io.waitScope);
  KJ_ASSERT_NONNULL(session.destroying)->fulfill();
  waitUntil(bridge.io, [&]() { return session.destroyed; });
}

TEST_CASE("errors of a session keep their kinds") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto& session = bridge.sessions.session("s");
  for (auto kind : {ErrorKind::NOT_FOUND, ErrorKind::INVALID_ARGUMENT, ErrorKind::DENIED, ErrorKind::UNAVAILABLE,
                    ErrorKind::INTERRUPTED, ErrorKind::SANDBOX_LOST, ErrorKind::FAILED}) {
    session.failure = makeError(kind, "a sentence");
    auto failure = failureOf(openSession(*client, "s").prepareRequest().send().ignoreResult(),
                             bridge.io.waitScope);
    CHECK(failure.kind == kind);
    CHECK(failure.text == "a sentence");
  }
}

struct Heard {
  kj::Vector<kj::String> events;
  kj::Maybe<kj::Exception> failure;
  bool hold = false;
  unsigned calls = 0;
};

class Listener final : public api::SessionListener::Server {
 public:
  explicit Listener(Heard& heard): heard(heard) {}
  kj::Promise<void> event(EventContext context) override {
    ++heard.calls;
    auto event = context.getParams().getEvent();
    heard.events.add(kj::str(event.getSessionId(), " ", uint16_t(event.getKind()), " ", event.getText()));
    KJ_IF_MAYBE(e, heard.failure) { return kj::cp(*e); }
    if (heard.hold) return kj::NEVER_DONE;
    return kj::READY_NOW;
  }

 private:
  Heard& heard;
};

api::Handle::Client watch(TestBridge& bridge, RpcClient& client, Heard& heard) {
  auto request = client.api().watchRequest();
  request.setListener(kj::heap<Listener>(heard));
  return request.send().wait(bridge.io.waitScope).getHandle();
}

TEST_CASE("a watcher hears each event until its handle is dropped") {
  TestBridge bridge;
  auto client = bridge.connect();
  Heard heard;
  {
    auto handle = watch(bridge, *client, heard);
    bridge.sessions.emit("s", SessionEventKind::CREATED, "new");
    bridge.sessions.emit("s", SessionEventKind::DELETED, "gone");
    waitUntil(bridge.io, [&]() { return heard.events.size() == 2; });
    CHECK(heard.events[0] == "s 0 new");
    CHECK(heard.events[1] == "s 5 gone");
  }
  waitUntil(bridge.io, [&]() { return bridge.sessions.observers.size() == 0; });
}

TEST_CASE("hanging up ends a watch") {
  TestBridge bridge;
  auto client = bridge.connect();
  Heard heard;
  auto handle = watch(bridge, *client, heard);
  CHECK(bridge.sessions.observers.size() == 1);
  client = nullptr;
  waitUntil(bridge.io, [&]() { return bridge.sessions.observers.size() == 0; });
}

TEST_CASE("a watcher that fails hears no more and hurts nobody") {
  TestBridge bridge;
  auto client = bridge.connect();
  Heard bad, good;
  bad.failure = KJ_EXCEPTION(FAILED, "no ears");
  auto first = watch(bridge, *client, bad);
  auto second = watch(bridge, *client, good);
  bridge.sessions.emit("s", SessionEventKind::CREATED, "1");
  waitUntil(bridge.io, [&]() { return good.events.size() == 1 && bad.calls == 1; });
  client->api().pingRequest().send().wait(bridge.io.waitScope);
  bridge.sessions.emit("s", SessionEventKind::CREATED, "2");
  waitUntil(bridge.io, [&]() { return good.events.size() == 2; });
  CHECK(bad.calls == 1);
}

TEST_CASE("events for a watcher that never answers do not pile up") {
  TestBridge bridge;
  auto client = bridge.connect();
  Heard heard;
  heard.hold = true;
  auto handle = watch(bridge, *client, heard);
  for (unsigned i = 0; i < 1000; ++i) bridge.sessions.emit("s", SessionEventKind::CREATED, "x");
  client->api().pingRequest().send().wait(bridge.io.waitScope);
  waitUntil(bridge.io, [&]() { return heard.calls >= 256; });
  CHECK(heard.calls == 256);
}

TEST_CASE("watch without a listener is refused") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto failure = failureOf(client->api().watchRequest().send().ignoreResult(), bridge.io.waitScope);
  CHECK(failure.kind == ErrorKind::INVALID_ARGUMENT);
}

TEST_CASE("unknown interfaces and methods are answered, and the connection goes on") {
  TestBridge bridge;
  auto client = bridge.connect();
  auto other = client->api().castAs<api::Files>();
  auto failure = failureOf(other.listRequest().send().ignoreResult(), bridge.io.waitScope);
  CHECK(strstr(failure.raw.cStr(), "unimplemented") != nullptr);
  auto unknown = client->api().typelessRequest(capnp::typeId<api::SandboxRpcApi>(), 999, nullptr);
  unknown.initAs<api::SandboxRpcApi::PingParams>();
  CHECK(strstr(failureOf(unknown.send().ignoreResult(), bridge.io.waitScope).raw.cStr(), "unimplemented") != nullptr);
  client->api().pingRequest().send().wait(bridge.io.waitScope);
}

TEST_CASE("a connection cannot hold more sessions than its limit, and gets room by letting go") {
  TestBridge bridge;
  auto client = bridge.connect();
  kj::Vector<api::Session::Client> held;
  for (unsigned i = 0; i < 4096; ++i) held.add(openSession(*client, "s"));
  held.back().infoRequest().send().wait(bridge.io.waitScope);
  auto more = openSession(*client, "s");
  auto failure = failureOf(more.infoRequest().send().ignoreResult(), bridge.io.waitScope);
  CHECK(strstr(failure.text.cStr(), "limit of 4096 sessions") != nullptr);
  held.clear();
  client->api().pingRequest().send().wait(bridge.io.waitScope);
  openSession(*client, "s").infoRequest().send().wait(bridge.io.waitScope);
}

}  // namespace
}  // namespace sandbridge::test
