// Ports of a sandbox from outside: what a tunnel answers and how it ends, and what passes through an exposed port.

#include "localcloud/cloud-fixture.h"

#include "localcloud/raw-socket.h"

namespace sandbridge::localcloud::test {
namespace {

using kj::HttpMethod;

constexpr kj::StringPtr KEY = "test-key"_kj;

// A sandbox on whose ports `session` is spoken.
struct Fixture {
  Cloud cloud;
  std::string id;
  kj::Own<kj::AsyncIoStream> inside;  // the newest connection

  explicit Fixture(kj::String apiKey = nullptr) : cloud(kj::mv(apiKey)) {}

  void start(const std::string& more = "") {
    id = cloud.create("probe", more);
    cloud.machine.port = [this](kj::Own<kj::AsyncIoStream> stream) -> kj::Promise<void> {
      inside = kj::mv(stream);
      return kj::NEVER_DONE;
    };
  }
  RawSocket tunnel(const std::string& query, const std::string& headers = "") {
    return RawSocket(cloud.io, cloud.port(), "probe.local", "/api/v1/tunnels/tcp" + query, headers);
  }
  std::string heard(size_t size) {
    std::string text(size, 0);
    cloud.io.provider->getTimer()
        .timeoutAfter(10 * kj::SECONDS, inside->read(text.data(), size))
        .wait(cloud.io.waitScope);
    return text;
  }
  bool isOver() {
    char byte;
    return cloud.io.provider->getTimer()
               .timeoutAfter(10 * kj::SECONDS, inside->tryRead(&byte, 1, 1).catch_([](kj::Exception&&) -> size_t {
                 return 0;
               }))
               .wait(cloud.io.waitScope) == 0;
  }
  // A plain request to an exposed port, on a connection of its own.
  kj::Own<kj::AsyncIoStream> visit(const std::string& request) {
    auto stream = cloud.io.provider->getNetwork()
                      .parseAddress(kj::str("127.0.0.1:", cloud.port()))
                      .wait(cloud.io.waitScope)
                      ->connect()
                      .wait(cloud.io.waitScope);
    stream->write(request.data(), request.size()).wait(cloud.io.waitScope);
    return stream;
  }
  void say(const std::string& text) {
    inside->write(text.data(), text.size()).wait(cloud.io.waitScope);
  }
  // Reads until `end` has come.
  std::string read(kj::AsyncIoStream& stream, const std::string& end) {
    std::string text;
    while (text.find(end) == std::string::npos) {
      char byte;
      auto n = cloud.io.provider->getTimer()
                   .timeoutAfter(10 * kj::SECONDS, stream.tryRead(&byte, 1, 1))
                   .wait(cloud.io.waitScope);
      if (n == 0) break;
      text += byte;
    }
    return text;
  }
};

}  // namespace

TEST_CASE("a tunnel's port is a number from 1 to 65535, and a tunnel is a WebSocket") {
  Fixture f;
  f.start();
  for (auto query: {"", "?port=", "?port=0", "?port=65536", "?port=-1", "?port=8080x", "?port=0x10", "?host=10.0.0.1"}) {
    INFO(query);
    auto refused = f.tunnel(query);
    CHECK(refused.status() == 400);
    CHECK(refused.body().find("\"code\":\"INVALID_REQUEST\"") != std::string::npos);
  }
  CHECK(f.cloud.inside(f.id, HttpMethod::GET, "/api/v1/tunnels/tcp?port=8080").status == 400);
  CHECK(f.tunnel("?port=65535").status() == 101);
}

TEST_CASE("a tunnel to a port where nothing listens is 502, to a sandbox that is not there 404") {
  Fixture f;
  f.start();
  f.cloud.machine.port = nullptr;
  auto refused = f.tunnel("?port=8080");
  CHECK(refused.status() == 502);
  CHECK(refused.body().find("\"code\":\"CONNECTION_REFUSED\"") != std::string::npos);
  RawSocket nobody(f.cloud.io, f.cloud.port(), "nobody.local", "/api/v1/tunnels/tcp?port=1");
  CHECK(nobody.status() == 404);
}

TEST_CASE("a tunnel wants the key, exposed or not") {
  Fixture f(kj::str(KEY));
  Options bearer{"127.0.0.1", {{"Authorization", "Bearer test-key"}}};
  auto made = f.cloud.call(HttpMethod::POST, "/sandboxes",
                           R"({"name":"probe","resources":{"cpus":1,"memory_mb":256},)"
                           R"("exposed_ports":[8080],"allow_unauthenticated_access":true})", bearer);
  REQUIRE(made.status == 200);
  f.cloud.machine.port = [&](kj::Own<kj::AsyncIoStream> stream) -> kj::Promise<void> {
    f.inside = kj::mv(stream);
    return kj::NEVER_DONE;
  };
  CHECK(f.tunnel("?port=8080").status() == 401);
  CHECK(f.tunnel("?port=8080", "Authorization: Bearer other\r\n").status() == 401);
  CHECK(f.tunnel("?port=8080", "Authorization: Bearer test-key\r\n").status() == 101);
}

TEST_CASE("a tunnel passes bytes both ways, and its end") {
  Fixture f;
  f.start();
  auto socket = f.tunnel("?port=8080");
  REQUIRE(socket.status() == 101);
  std::string bytes("a\0\xff\n", 4);
  socket.send(BINARY, bytes);
  CHECK(f.heard(4) == bytes);
  f.say(bytes);
  CHECK(socket.receive() == Frame{BINARY, bytes});
  SECTION("the program's") {
    f.inside = nullptr;
    CHECK(socket.receive() == Frame{CLOSE, closing(1000, "")});
  }
  SECTION("the client's, with a code") {
    socket.send(CLOSE, closing(1000, "done"));
    CHECK(f.isOver());
    CHECK(socket.receive() == Frame{CLOSE, closing(1000, "")});
  }
  SECTION("the client's, without a code") {
    socket.send(CLOSE, "");
    CHECK(f.isOver());
    CHECK(socket.receive().opcode == CLOSE);
  }
}

TEST_CASE("a tunnel takes binary frames only") {
  Fixture f;
  f.start();
  auto socket = f.tunnel("?port=8080");
  socket.send(TEXT, "hello");
  CHECK(socket.receive() == Frame{CLOSE, closing(1003, "a tunnel takes binary frames only")});
  CHECK(f.isOver());
}

TEST_CASE("a tunnel's client is told when its sandbox is suspended") {
  Fixture f;
  f.start();
  auto socket = f.tunnel("?port=8080");
  socket.send(BINARY, "x");
  CHECK(f.heard(1) == "x");
  CHECK(f.cloud.post("/sandboxes/probe/suspend").status == 202);
  auto frame = socket.receive();
  CHECK(frame.opcode == CLOSE);
  CHECK(frame.payload.substr(0, 2) == closing(1001, ""));
  CHECK(f.isOver());
}

TEST_CASE("an answer of an exposed port comes piece by piece, and a body goes piece by piece") {
  Fixture f;
  f.start(R"(,"exposed_ports":[8080],"allow_unauthenticated_access":true)");
  auto visitor = f.visit("POST /a?b=c HTTP/1.1\r\nHost: 8080-probe.localhost\r\nContent-Length: 6\r\n\r\none");
  f.cloud.until([&]() { return f.inside.get() != nullptr; });
  auto head = f.read(*f.inside, "\r\n\r\none");
  CHECK(head.substr(0, 16) == "POST /a?b=c HTTP");
  visitor->write("two", 3).wait(f.cloud.io.waitScope);
  CHECK(f.heard(3) == "two");
  f.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (std::string part: {"data: 1\n\n", "data: 2\n\n"}) {
    f.say("9\r\n" + part + "\r\n");
    CHECK(f.read(*visitor, part).find(part) != std::string::npos);
  }
  f.say("0\r\n\r\n");
  CHECK(f.read(*visitor, "0\r\n\r\n") == "\r\n0\r\n\r\n");
}

TEST_CASE("an answer of an exposed port that is under way is cut when its sandbox is suspended, and does not look whole") {
  Fixture f;
  f.start(R"(,"exposed_ports":[8080],"allow_unauthenticated_access":true)");
  auto visitor = f.visit("GET / HTTP/1.1\r\nHost: 8080-probe.localhost\r\n\r\n");
  f.cloud.until([&]() { return f.inside.get() != nullptr; });
  f.read(*f.inside, "\r\n\r\n");
  f.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
  f.read(*visitor, "one");
  CHECK(f.cloud.post("/sandboxes/probe/suspend").status == 202);
  // To the end of the connection, which is not the end of the answer.
  auto rest = f.read(*visitor, "0\r\n\r\n");
  CHECK(rest.find("0\r\n\r\n") == std::string::npos);
  CHECK(f.isOver());
  f.cloud.await(f.id, "suspended");
}

TEST_CASE("a port that hangs up without an answer is 502") {
  Fixture f;
  f.start(R"(,"exposed_ports":[8080],"allow_unauthenticated_access":true)");
  auto visitor = f.visit("GET / HTTP/1.1\r\nHost: 8080-probe.localhost\r\n\r\n");
  f.cloud.until([&]() { return f.inside.get() != nullptr; });
  f.read(*f.inside, "\r\n\r\n");
  f.inside = nullptr;
  CHECK(f.read(*visitor, "\r\n").substr(0, 12) == "HTTP/1.1 502");
}

}  // namespace sandbridge::localcloud::test
