// WebSockets through the data plane: what passes, at whose pace, and how each side learns that the other is gone.

#include "localcloud/cloud-fixture.h"

#include "localcloud/raw-socket.h"

namespace sandbridge::localcloud::test {
namespace {

using kj::HttpMethod;
using Response = kj::HttpService::Response;
using Bytes = kj::Array<kj::byte>;
using Close = kj::WebSocket::Close;

// A sandbox whose daemon hands each WebSocket to `session`.
struct Fixture {
  Cloud cloud;
  std::string id;
  std::string seen;  // the headers
  std::function<kj::Promise<void>(kj::WebSocket&)> session;

  explicit Fixture(const std::string& more = "") {
    id = cloud.create("probe", more);
    cloud.machine.daemon = [this](HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                                  kj::AsyncInputStream&, Response& response) -> kj::Promise<void> {
      seen = kj::str(method, ' ', url, '\n', headers).cStr();
      auto socket = response.acceptWebSocket(kj::HttpHeaders(*cloud.machine.daemonTable));
      co_await session(*socket);
    };
  }

  RawSocket open(const std::string& headers = "") {
    return RawSocket(cloud.io, cloud.port(), "probe.local", "/api/v1/pty/1/ws?token=t", headers);
  }
};

kj::Promise<void> echo(kj::WebSocket& socket) {
  for (;;) {
    auto message = co_await socket.receive();
    if (message.is<Close>()) {
      auto& close = message.get<Close>();
      co_await socket.close(close.code, close.reason);
      co_return;
    }
    if (message.is<Bytes>()) {
      co_await socket.send(message.get<Bytes>().asPtr());
    } else {
      co_await socket.send(message.get<kj::String>().asArray());
    }
  }
}

TEST_CASE("WebSocket messages pass both ways as they are, and so does the closing") {
  Fixture f;
  f.session = echo;
  auto socket = f.open();
  REQUIRE(socket.status() == 101);
  socket.send(BINARY, std::string("\0\x01\xff binary", 10));
  CHECK(socket.receive() == Frame{BINARY, std::string("\0\x01\xff binary", 10)});
  socket.send(TEXT, "some text");
  CHECK(socket.receive() == Frame{TEXT, "some text"});
  socket.send(BINARY, "");
  CHECK(socket.receive() == Frame{BINARY, ""});
  socket.send(PING, "are you there");
  CHECK(socket.receive() == Frame{PONG, "are you there"});
  socket.send(BINARY, std::string(500'000, 'x'));
  CHECK(socket.receive() == Frame{BINARY, std::string(500'000, 'x')});
  socket.send(CLOSE, closing(4321, "enough"));
  CHECK(socket.receive() == Frame{CLOSE, closing(4321, "enough")});
  CHECK(socket.atEnd());
  f.cloud.until([&]() { return f.cloud.machine.requestsUnderWay == 0; });
}

TEST_CASE("a WebSocket's close without a code passes as one, and one with a code that must not be sent too") {
  Fixture f;
  f.session = echo;
  for (auto& payload: {std::string(), closing(1006, ""), closing(17, "x")}) {
    auto socket = f.open();
    socket.send(CLOSE, payload);
    CHECK(socket.receive() == Frame{CLOSE, ""});
    CHECK(socket.atEnd());
  }
}

TEST_CASE("of a WebSocket's headers the terminal's token passes, credentials do not, and compression is declined") {
  Fixture f;
  f.session = echo;
  auto socket = f.open("X-PTY-Token: t0ken\r\nAuthorization: Bearer sesame\r\nCookie: c=d\r\n"
                       "X-Tensorlake-Route-Hint: h\r\n"
                       "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
  REQUIRE(socket.status() == 101);
  CHECK(socket.head().find("Sec-WebSocket-Accept: ") != std::string::npos);
  CHECK(socket.head().find("deflate") == std::string::npos);
  CHECK(f.seen.find("GET /api/v1/pty/1/ws?token=t\n") == 0);
  CHECK(f.seen.find("t0ken") != std::string::npos);
  for (auto secret: {"sesame", "c=d", "deflate", "Hint"}) CHECK(f.seen.find(secret) == std::string::npos);
}

TEST_CASE("what the daemon answers instead of a WebSocket is the client's answer") {
  Fixture f;
  f.cloud.machine.daemon = [&](HttpMethod, kj::StringPtr, const kj::HttpHeaders&, kj::AsyncInputStream&,
                               Response& response) -> kj::Promise<void> {
    kj::HttpHeaders headers(*f.cloud.machine.daemonTable);
    headers.set(kj::HttpHeaderId::CONTENT_TYPE, "application/json");
    constexpr auto TEXT = "{\"error\":\"Invalid token\",\"code\":\"INVALID_TOKEN\"}"_kj;
    auto stream = response.send(403, "Forbidden", headers, TEXT.size());
    co_await stream->write(TEXT.begin(), TEXT.size());
  };
  auto socket = f.open();
  CHECK(socket.status() == 403);
  CHECK(socket.head().find("application/json") != std::string::npos);
  CHECK(socket.body() == "{\"error\":\"Invalid token\",\"code\":\"INVALID_TOKEN\"}");

  f.cloud.machine.deafDaemon = true;
  auto unreachable = f.open();
  CHECK(unreachable.status() == 502);
  CHECK(unreachable.body().find("CONNECTION_REFUSED") != std::string::npos);
}

TEST_CASE("a WebSocket wakes a suspended sandbox") {
  Fixture f;
  f.session = echo;
  f.cloud.post("/sandboxes/probe/suspend");
  f.cloud.await(f.id, "suspended");
  auto socket = f.open();
  CHECK(socket.status() == 101);
  socket.send(TEXT, "awake");
  CHECK(socket.receive() == Frame{TEXT, "awake"});
  CHECK(f.cloud.statusOf(f.id) == "running");
}

TEST_CASE("a WebSocket's client is told when its sandbox is suspended or ends, and the daemon's session is over") {
  Fixture f;
  f.session = echo;
  bool remove = GENERATE(false, true);
  auto socket = f.open();
  socket.send(TEXT, "hello");
  CHECK(socket.receive() == Frame{TEXT, "hello"});
  if (remove) {
    CHECK(f.cloud.call(HttpMethod::DELETE, "/sandboxes/probe").status == 200);
  } else {
    CHECK(f.cloud.post("/sandboxes/probe/suspend").status == 202);
  }
  auto frame = socket.receive();
  CHECK(frame.opcode == CLOSE);
  CHECK(frame.payload == closing(1001, remove ? "the sandbox was terminated" : "the sandbox was suspended"));
  CHECK(socket.atEnd());
  f.cloud.until([&]() { return f.cloud.machine.requestsUnderWay == 0; });
}

TEST_CASE("a side of a WebSocket that breaks off is the end for the other") {
  Fixture f;
  SECTION("the client") {
    f.session = echo;
    { auto socket = f.open(); }
    f.cloud.until([&]() { return f.cloud.machine.requestsUnderWay == 1; });
    f.cloud.until([&]() { return f.cloud.machine.requestsUnderWay == 0; });
  }
  SECTION("the daemon") {
    f.session = [](kj::WebSocket& socket) -> kj::Promise<void> {
      co_await socket.receive();
      co_await socket.disconnect();
    };
    auto socket = f.open();
    socket.send(TEXT, "go");
    CHECK(socket.receive() == Frame{CLOSE, closing(1001, "the connection broke off")});
    CHECK(socket.atEnd());
  }
}

TEST_CASE("a WebSocket message above the limit is refused, in one frame or in many") {
  Fixture f;
  f.session = echo;
  auto socket = f.open();
  SECTION("one frame") { socket.send(BINARY, std::string((1 << 20) + 1, 'x')); }
  SECTION("many") {
    // Each within the limit, and never an end.
    socket.sendFragment(BINARY, std::string(400'000, 'x'), false);
    socket.sendFragment(CONTINUATION, std::string(400'000, 'x'), false);
    socket.sendFragment(CONTINUATION, std::string(400'000, 'x'), false);
  }
  CHECK(socket.receive() == Frame{CLOSE, closing(1009, "the message is too large")});
  CHECK(socket.atEnd());
}

TEST_CASE("a malformed frame closes a WebSocket with 1002") {
  Fixture f;
  f.session = echo;
  auto socket = f.open();
  socket.send(11, "no such opcode");
  CHECK(socket.receive() == Frame{CLOSE, closing(1002, "malformed WebSocket frame")});
  CHECK(socket.atEnd());
}

TEST_CASE("a WebSocket's slow reader holds back the writer instead of filling memory") {
  Fixture f;
  constexpr uint64_t MESSAGE = 64 << 10, COUNT = 4096;  // 256 MiB
  uint64_t sent = 0;
  f.session = [&](kj::WebSocket& socket) -> kj::Promise<void> {
    auto block = kj::heapArray<kj::byte>(MESSAGE);
    memset(block.begin(), 7, block.size());
    for (; sent < COUNT; sent++) co_await socket.send(block.asPtr());
    co_await socket.close(1000, "exit:0");
    co_await socket.receive();
  };
  auto socket = f.open();
  f.cloud.io.provider->getTimer().afterDelay(300 * kj::MILLISECONDS).wait(f.cloud.io.waitScope);
  CHECK(sent < COUNT / 8);
  uint64_t bytes = 0;
  for (;;) {
    auto frame = socket.receive();
    if (frame.opcode == CLOSE) {
      CHECK(frame.payload == closing(1000, "exit:0"));
      break;
    }
    bytes += frame.payload.size();
  }
  socket.send(CLOSE, closing(1000, ""));
  CHECK(bytes == MESSAGE * COUNT);
}

TEST_CASE("WebSocket messages keep a sandbox awake; an open one without any does not") {
  Fixture f(R"(,"timeout_secs":3)");
  f.session = echo;
  auto socket = f.open();
  auto& timer = f.cloud.io.provider->getTimer();
  // More than the three seconds, in steps that a busy machine does not stretch to them.
  for (int i = 0; i < 12; i++) {
    socket.send(TEXT, "x");
    CHECK(socket.receive() == Frame{TEXT, "x"});
    timer.afterDelay(300 * kj::MILLISECONDS).wait(f.cloud.io.waitScope);
  }
  CHECK(f.cloud.statusOf(f.id) == "running");
  CHECK(socket.receive() == Frame{CLOSE, closing(1001, "the sandbox was suspended")});
  f.cloud.await(f.id, "suspended");
}

}  // namespace
}  // namespace sandbridge::localcloud::test
