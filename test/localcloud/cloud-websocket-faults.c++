// Latency and faults on WebSockets, as a client of the local cloud meets them.

#include "localcloud/cloud-fixture.h"
#include "localcloud/raw-socket.h"

namespace sandbridge::localcloud::test {
namespace {

using kj::HttpMethod;
using Response = kj::HttpService::Response;
using Bytes = kj::Array<kj::byte>;
using Close = kj::WebSocket::Close;

// A daemon that sends back what it gets.
struct Fixture {
  Cloud cloud;
  unsigned opened = 0, received = 0;

  Fixture() {
    cloud.create("probe");
    cloud.machine.daemon = [this](HttpMethod, kj::StringPtr, const kj::HttpHeaders&, kj::AsyncInputStream&,
                                  Response& response) -> kj::Promise<void> {
      auto socket = response.acceptWebSocket(kj::HttpHeaders(*cloud.machine.daemonTable));
      ++opened;
      for (;;) {
        auto message = co_await socket->receive();
        ++received;
        if (message.is<Close>()) {
          auto& close = message.get<Close>();
          co_await socket->close(close.code, close.reason);
          co_return;
        }
        if (message.is<Bytes>()) {
          co_await socket->send(message.get<Bytes>().asPtr());
        } else {
          co_await socket->send(message.get<kj::String>().asArray());
        }
      }
    };
  }

  RawSocket open() { return RawSocket(cloud.io, cloud.port(), "probe.local", "/api/v1/pty/1/ws"); }
  kj::TimePoint now() { return cloud.io.provider->getTimer().now(); }
  void awaitEnd() {
    cloud.until([&]() { return cloud.machine.requestsUnderWay == 0; });
  }
};

TEST_CASE("latency shifts the messages of a WebSocket, each way") {
  Fixture f;
  f.cloud.shape({}, 60 * kj::MILLISECONDS);
  auto socket = f.open();
  REQUIRE(socket.status() == 101);
  auto begin = f.now();
  // Sent one after the other: they are under way together.
  for (int i = 0; i < 20; i++) socket.send(i % 2 ? TEXT : BINARY, std::to_string(i));
  f.cloud.until([&]() { return f.received > 0; });
  CHECK(f.now() - begin >= 60 * kj::MILLISECONDS);
  for (int i = 0; i < 20; i++) {
    CHECK(socket.receive() == Frame{i % 2 ? TEXT : BINARY, std::to_string(i)});
    if (i == 0) CHECK(f.received > 2);  // not held back until the first is answered
  }
  CHECK(f.now() - begin >= 120 * kj::MILLISECONDS);
  socket.send(CLOSE, closing(4321, "enough"));
  CHECK(socket.receive() == Frame{CLOSE, closing(4321, "enough")});
  CHECK(socket.atEnd());
  f.awaitEnd();
}

TEST_CASE("a large message passes whole through latency") {
  Fixture f;
  f.cloud.shape({}, 5 * kj::MILLISECONDS);
  auto socket = f.open();
  socket.send(BINARY, std::string(500'000, 'x'));
  CHECK(socket.receive() == Frame{BINARY, std::string(500'000, 'x')});
}

TEST_CASE("a client that is gone ends its late WebSocket") {
  Fixture f;
  f.cloud.shape({}, 20 * kj::MILLISECONDS);
  {
    auto socket = f.open();
    f.cloud.until([&]() { return f.opened == 1; });
  }
  f.awaitEnd();
}

TEST_CASE("a WebSocket is cut in the middle of a frame, by closing or reset") {
  Fixture f;
  bool late = GENERATE(false, true);
  for (std::string end: {"", ":reset"}) {
    // The first frame is of twelve bytes, the second's head and three bytes follow.
    f.cloud.shape({"cut=17" + end + ",path=/pty"}, (late ? 10 : 0) * kj::MILLISECONDS);
    auto socket = f.open();
    REQUIRE(socket.status() == 101);
    socket.send(BINARY, "0123456789");
    CHECK(socket.receive() == Frame{BINARY, "0123456789"});
    socket.send(BINARY, "abcdefghij");
    CHECK_THROWS(socket.receive());
    f.awaitEnd();
  }
}

TEST_CASE("a WebSocket's handshake meets the same faults as any request") {
  Fixture f;
  f.cloud.shape({"status=503:SANDBOX_NOT_READY,path=/pty"});
  CHECK(f.open().status() == 503);
  CHECK(f.opened == 0);
  f.cloud.shape({"reset=before,path=/pty"});
  CHECK_THROWS(f.open());
  CHECK(f.opened == 0);
  f.cloud.shape({"cut=0:reset,path=/pty"});
  auto socket = f.open();
  CHECK(socket.status() == 101);
  f.cloud.until([&]() { return f.opened == 1; });
  socket.send(BINARY, "x");
  CHECK(socket.atEnd());
  f.awaitEnd();
}

TEST_CASE("a slow WebSocket is complete, and takes its time") {
  Fixture f;
  f.cloud.shape({"slow=1000,path=/pty"});
  auto socket = f.open();
  auto begin = f.now();
  socket.send(BINARY, std::string(200, 'x'));
  CHECK(socket.receive() == Frame{BINARY, std::string(200, 'x')});
  CHECK(f.now() - begin >= 150 * kj::MILLISECONDS);
}

}  // namespace
}  // namespace sandbridge::localcloud::test
