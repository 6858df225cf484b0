#include "net/http-server.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"
#include "net/raw-server.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sandbridge {
namespace {

class TestService final : public kj::HttpService {
 public:
  explicit TestService(const kj::HttpHeaderTable& table) : table(table) {}
  unsigned calls = 0;
  unsigned active = 0;
  uint64_t bodyBytes = 0;

  kj::Promise<void> request(kj::HttpMethod, kj::StringPtr url, const kj::HttpHeaders&,
                            kj::AsyncInputStream& body, Response& response) override {
    ++calls;
    ++active;
    KJ_DEFER(--active);
    if (url == "/never") co_await kj::NEVER_DONE;
    if (url == "/foreign") KJ_FAIL_REQUIRE("secret detail", url);
    if (url == "/overloaded") kj::throwFatalException(KJ_EXCEPTION(OVERLOADED, "secret detail"));
    if (url == "/missing") throwError(ErrorKind::NOT_FOUND, "there is no such thing");
    if (url == "/denied") throwError(ErrorKind::DENIED, "no");
    if (url == "/silent") co_return;
    if (url == "/begun") {
      kj::HttpHeaders headers(table);
      auto stream = response.send(200, "OK", headers, uint64_t(100));
      co_await stream->write("part", 4);
      KJ_FAIL_REQUIRE("secret detail");
    }
    if (url == "/begun-chunked") {
      auto stream = response.send(200, "OK", kj::HttpHeaders(table));
      co_await stream->write("part", 4);
      KJ_FAIL_REQUIRE("secret detail");
    }
    if (url == "/whole-chunked") {
      auto stream = response.send(200, "OK", kj::HttpHeaders(table));
      co_await stream->write("part", 4);
      co_return;
    }
    if (url == "/ws") {
      auto socket = response.acceptWebSocket(kj::HttpHeaders(table));
      auto message = co_await socket->receive();
      if (message.is<kj::String>()) KJ_FAIL_REQUIRE("secret detail");
      co_await socket->send(message.get<kj::Array<kj::byte>>().asPtr());
      co_await socket->close(1000, "");
      co_return;
    }
    if (url == "/upload") {
      auto all = co_await body.readAllBytes();
      bodyBytes = all.size();
      co_return co_await respondText(response, table, 200, "OK", kj::str(all.size()));
    }
    if (url == "/slow-upload") {
      // Takes a piece, and forgets about the rest for a while, as a service with its own back-pressure does.
      char piece[10];
      bodyBytes += co_await body.tryRead(piece, 1, sizeof(piece));
      co_await kj::NEVER_DONE;
    }
    co_await respondText(response, table, 200, "OK", "ok");
  }

 private:
  const kj::HttpHeaderTable& table;
};

struct Fixture {
  KjLogRedirect noise;
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::HttpHeaderTable table;
  TestService service{table};
  kj::Own<kj::ConnectionReceiver> receiver =
      io.provider->getNetwork().parseAddress("127.0.0.1").wait(io.waitScope)->listen();
  kj::Promise<void> serving =
      serveHttp(*receiver, io.provider->getTimer(), table, service).eagerlyEvaluate(nullptr);

  RawConnection connect() {
    return RawConnection(io.provider->getNetwork()
                             .parseAddress("127.0.0.1", receiver->getPort())
                             .wait(io.waitScope)
                             ->connect()
                             .wait(io.waitScope));
  }

  // What the server says until it closes.
  std::string exchange(std::string request) {
    auto c = connect();
    c.write(request).wait(io.waitScope);
    return c.readToEnd().wait(io.waitScope);
  }

  std::string get(const char* path) {
    return exchange(std::string("GET ") + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  }

  void settle(kj::Duration time = 50 * kj::MILLISECONDS) {
    io.provider->getTimer().afterDelay(time).wait(io.waitScope);
  }

  template <typename F>
  bool eventually(F&& condition) {
    for (int i = 0; i < 500 && !condition(); i++) settle(10 * kj::MILLISECONDS);
    return condition();
  }

  // A connection that the client has reset before the server has accepted it.
  void connectAndReset() {
    int fd;
    KJ_SYSCALL(fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(receiver->getPort());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    KJ_SYSCALL(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)));
    linger reset{1, 0};
    KJ_SYSCALL(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)));
    close(fd);
  }
};

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}
bool startsWith(const std::string& text, const char* part) { return text.rfind(part, 0) == 0; }

TEST_CASE_METHOD(Fixture, "requests are answered, and several of them on one connection") {
  auto c = connect();
  for (int i = 0; i < 3; i++) {
    c.write("GET /ok HTTP/1.1\r\nHost: x\r\n\r\n").wait(io.waitScope);
    CHECK(startsWith(c.readHead().wait(io.waitScope), "HTTP/1.1 200 OK\r\n"));
    CHECK(c.readExactly(2).wait(io.waitScope) == "ok");
  }
}

TEST_CASE_METHOD(Fixture, "pipelined requests are all answered, in order") {
  auto c = connect();
  c.write("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /ok HTTP/1.1\r\nHost: x\r\n\r\n"
          "GET /missing HTTP/1.1\r\nHost: x\r\n\r\n")
      .wait(io.waitScope);
  auto all = c.readToEnd().wait(io.waitScope);
  CHECK(contains(all, "\r\n\r\n3HTTP/1.1 200 OK"));
  CHECK(contains(all, "\r\n\r\nokHTTP/1.1 404 Not Found"));
}

TEST_CASE_METHOD(Fixture, "a client that asks for the connection to be closed gets that") {
  CHECK(contains(get("/ok"), "\r\n\r\nok"));
}

TEST_CASE_METHOD(Fixture, "nothing is answered after a request that asks to close, also if it came along") {
  auto all = exchange("GET /ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /missing HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(contains(all, "200 OK"));
  CHECK(all.compare(all.size() - 6, 6, "\r\n\r\nok") == 0);
}

TEST_CASE_METHOD(Fixture, "a connection reset before it was accepted does not end the service") {
  for (int i = 0; i < 5; i++) connectAndReset();
  CHECK(contains(get("/ok"), "200 OK"));
}

TEST_CASE_METHOD(Fixture, "the library's own loop does end at a connection reset before it was accepted") {
  serving = nullptr;
  kj::HttpServer library(io.provider->getTimer(), table, service);
  auto listening = library.listenHttp(*receiver);
  connectAndReset();
  settle();
  CHECK(listening.poll(io.waitScope));
}

TEST_CASE_METHOD(Fixture, "running out of file descriptors is waited through") {
  rlimit old;
  KJ_SYSCALL(getrlimit(RLIMIT_NOFILE, &old));
  auto c = connect();
  settle();
  auto waiting = connect();
  // No descriptor is left for the server.
  std::vector<int> taken;
  rlimit low{64, old.rlim_max};
  KJ_SYSCALL(setrlimit(RLIMIT_NOFILE, &low));
  for (int fd; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) taken.push_back(fd);
  waiting.write("GET /ok HTTP/1.1\r\nHost: x\r\n\r\n").wait(io.waitScope);
  settle(100 * kj::MILLISECONDS);
  CHECK(!serving.poll(io.waitScope));
  for (int fd : taken) close(fd);
  KJ_SYSCALL(setrlimit(RLIMIT_NOFILE, &old));
  CHECK(startsWith(waiting.readHead().wait(io.waitScope), "HTTP/1.1 200 OK"));
}

TEST_CASE_METHOD(Fixture, "a port that is broken for good is reported") {
  int fd;
  KJ_SYSCALL(fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  KJ_SYSCALL(listen(fd, 5));
  auto port = io.lowLevelProvider->wrapListenSocketFd(
      fd, kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP | kj::LowLevelAsyncIoProvider::ALREADY_NONBLOCK |
              kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC);
  auto other = serveHttp(*port, io.provider->getTimer(), table, service);
  CHECK(!other.poll(io.waitScope));
  KJ_SYSCALL(shutdown(fd, SHUT_RDWR));
  auto e = kj::runCatchingExceptions([&]() { other.wait(io.waitScope); });
  CHECK(e != nullptr);
}

TEST_CASE_METHOD(Fixture, "a Content-Length that is no plain size is refused before the service sees it") {
  auto value = GENERATE("-1", "+5", "0x10", "5, 5", "1 2", "281474976710656", "18446744073709551615",
                        "99999999999999999999999", "abc");
  INFO(value);
  auto answer = exchange(std::string("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: ") + value +
                         "\r\n\r\nGET /ok HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(startsWith(answer, "HTTP/1.1 400 Bad Request\r\n"));
  CHECK(contains(answer, "Connection: close\r\n"));
  CHECK_FALSE(contains(answer, "200 OK"));
  CHECK_FALSE(contains(answer, "c++"));
  CHECK(service.calls == 0);
}

TEST_CASE_METHOD(Fixture, "the library alone lets a negative Content-Length through") {
  serving = nullptr;
  kj::HttpServer library(io.provider->getTimer(), table, service);
  auto listening = library.listenHttp(*receiver).eagerlyEvaluate(nullptr);
  auto c = connect();
  c.write("POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n").wait(io.waitScope);
  CHECK(eventually([&]() { return service.calls == 1; }));
}

TEST_CASE_METHOD(Fixture, "any Transfer-Encoding is refused before the service sees it, and nothing is smuggled") {
  auto value = GENERATE("chunked", "identity", "gzip, chunked", "Chunked", "xchunked");
  INFO(value);
  auto answer = exchange(std::string("POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ") + value +
                         "\r\n\r\n10000000000000000\r\nGET /ok HTTP/1.1\r\nHost: x\r\n\r\n0\r\n\r\n");
  CHECK((startsWith(answer, "HTTP/1.1 400 ") || startsWith(answer, "HTTP/1.1 411 ")));
  CHECK_FALSE(contains(answer, "200 OK"));
  CHECK_FALSE(contains(answer, "c++"));
  CHECK(service.calls == 0);
  if (value == std::string("chunked")) CHECK(contains(answer, "send Content-Length"));
}

TEST_CASE_METHOD(Fixture, "the library alone smuggles a request behind a chunk size of 2^64") {
  serving = nullptr;
  kj::HttpServer library(io.provider->getTimer(), table, service);
  auto listening = library.listenHttp(*receiver).eagerlyEvaluate(nullptr);
  auto c = connect();
  c.write("POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
          "10000000000000000\r\n\r\nGET /ok HTTP/1.1\r\nHost: x\r\n\r\n")
      .wait(io.waitScope);
  CHECK(eventually([&]() { return service.calls == 2; }));
}

TEST_CASE_METHOD(Fixture, "requests that are no HTTP get an answer that tells nothing about our sources") {
  for (auto text : {"GET\r\n\r\n", "GET /ok HTTP/1.1\r\nbad header line\r\n\r\n"}) {
    auto answer = exchange(text);
    CHECK((startsWith(answer, "HTTP/1.1 400 ") || startsWith(answer, "HTTP/1.1 501 ")));
    CHECK_FALSE(contains(answer, "c++"));
  }
  CHECK(startsWith(exchange("BREW /ok HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 501 "));
}

TEST_CASE_METHOD(Fixture, "a request whose headers never end is cut off, and the service goes on") {
  CHECK(exchange("GET /ok HTTP/1.1\r\nX: " + std::string(1 << 20, 'a') + "\r\n\r\n") == "");
  CHECK(service.calls == 0);
  CHECK(contains(get("/ok"), "200 OK"));
}

TEST_CASE_METHOD(Fixture, "errors of a known kind are answered with their status and sentence") {
  CHECK(startsWith(get("/missing"), "HTTP/1.1 404 Not Found\r\n"));
  CHECK(contains(get("/missing"), "\r\n\r\nthere is no such thing\n"));
  CHECK(startsWith(get("/denied"), "HTTP/1.1 403 "));
}

TEST_CASE_METHOD(Fixture, "foreign errors are answered without their text, file or line") {
  auto answer = get("/foreign");
  CHECK(startsWith(answer, "HTTP/1.1 500 "));
  CHECK_FALSE(contains(answer, "secret"));
  CHECK_FALSE(contains(answer, "c++"));
  CHECK(startsWith(get("/silent"), "HTTP/1.1 500 "));
}

TEST_CASE_METHOD(Fixture, "the library alone answers with file and line") {
  serving = nullptr;
  kj::HttpServer library(io.provider->getTimer(), table, service);
  auto listening = library.listenHttp(*receiver).eagerlyEvaluate(nullptr);
  CHECK(contains(get("/foreign"), "http-server-test.c++:"));
}

TEST_CASE_METHOD(Fixture, "an error after the response has begun closes the connection") {
  auto answer = get("/begun");
  CHECK(contains(answer, "\r\n\r\npart"));
  CHECK_FALSE(contains(answer, "secret"));
}

TEST_CASE_METHOD(Fixture, "a chunked answer that an error cut short does not look complete") {
  CHECK(contains(get("/whole-chunked"), "4\r\npart\r\n0\r\n\r\n"));
  auto answer = get("/begun-chunked");
  CHECK(contains(answer, "4\r\npart\r\n"));
  CHECK_FALSE(contains(answer, "0\r\n\r\n"));
}

TEST_CASE_METHOD(Fixture, "the library alone ends a chunked answer as if it were complete, whatever happened") {
  serving = nullptr;
  kj::HttpServer library(io.provider->getTimer(), table, service);
  auto listening = library.listenHttp(*receiver).eagerlyEvaluate(nullptr);
  CHECK(contains(get("/begun-chunked"), "4\r\npart\r\n0\r\n\r\n"));
}

TEST_CASE_METHOD(Fixture, "a client that hangs up cancels its request") {
  auto how = GENERATE("close", "reset", "half-close");
  INFO(how);
  auto c = connect();
  c.write("GET /never HTTP/1.1\r\nHost: x\r\n\r\n").wait(io.waitScope);
  REQUIRE(eventually([&]() { return service.active == 1; }));
  if (how == std::string("half-close")) {
    c.stream->shutdownWrite();
  } else {
    linger reset{1, 0};
    if (how == std::string("reset")) {
      c.stream->setsockopt(SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    c.stream = nullptr;
  }
  CHECK(eventually([&]() { return service.active == 0; }));
}

TEST_CASE_METHOD(Fixture, "a client that hangs up in the middle of its upload cancels its request") {
  auto c = connect();
  c.write("POST /slow-upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n0123456789")
      .wait(io.waitScope);
  REQUIRE(eventually([&]() { return service.bodyBytes == 10; }));
  CHECK(service.active == 1);
  c.stream = nullptr;
  CHECK(eventually([&]() { return service.active == 0; }));
}

TEST_CASE_METHOD(Fixture, "the library alone does not notice that a client closed its connection") {
  serving = nullptr;
  kj::HttpServer library(io.provider->getTimer(), table, service);
  auto listening = library.listenHttp(*receiver).eagerlyEvaluate(nullptr);
  auto c = connect();
  c.write("GET /never HTTP/1.1\r\nHost: x\r\n\r\n").wait(io.waitScope);
  REQUIRE(eventually([&]() { return service.active == 1; }));
  c.stream = nullptr;
  settle(1 * kj::SECONDS);
  CHECK(service.active == 1);
}

TEST_CASE_METHOD(Fixture, "a client that half-closes still gets a quick answer") {
  auto c = connect();
  c.write("GET /ok HTTP/1.1\r\nHost: x\r\n\r\n").wait(io.waitScope);
  c.stream->shutdownWrite();
  CHECK(contains(c.readToEnd().wait(io.waitScope), "\r\n\r\nok"));
}

TEST_CASE_METHOD(Fixture, "a large upload arrives whole while the connection is watched") {
  constexpr size_t SIZE = 20 << 20;
  auto c = connect();
  c.write("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(SIZE) + "\r\n\r\n")
      .wait(io.waitScope);
  std::string piece(SIZE / 20, 'u');
  for (int i = 0; i < 20; i++) c.write(piece).wait(io.waitScope);
  CHECK(startsWith(c.readHead().wait(io.waitScope), "HTTP/1.1 200 "));
  CHECK(service.bodyBytes == SIZE);
}

TEST_CASE_METHOD(Fixture, "a refused upload still gets to read why") {
  auto c = connect();
  c.write("POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").wait(io.waitScope);
  auto sending = c.write(std::string(300000, 'x')).eagerlyEvaluate([](kj::Exception&&) {});
  CHECK(contains(c.readToEnd().wait(io.waitScope), "send Content-Length"));
}

struct Sockets : Fixture {
  kj::Own<kj::NetworkAddress> address = io.provider->getNetwork()
                                            .parseAddress("127.0.0.1", receiver->getPort())
                                            .wait(io.waitScope);
  class Entropy final : public kj::EntropySource {
    void generate(kj::ArrayPtr<kj::byte> buffer) override { memset(buffer.begin(), 7, buffer.size()); }
  } entropy;
  kj::HttpClientSettings settings = [this]() {
    kj::HttpClientSettings s;
    s.entropySource = entropy;
    return s;
  }();
  kj::Own<kj::HttpClient> client =
      kj::newHttpClient(io.provider->getTimer(), table, *address, settings);

  kj::Own<kj::WebSocket> open() {
    auto response = client->openWebSocket("/ws", kj::HttpHeaders(table)).wait(io.waitScope);
    REQUIRE(response.statusCode == 101);
    return kj::mv(response.webSocketOrBody.get<kj::Own<kj::WebSocket>>());
  }
};

TEST_CASE_METHOD(Sockets, "a WebSocket works through the guard, longer than the hang-up grace") {
  auto socket = open();
  settle(700 * kj::MILLISECONDS);
  socket->send("bytes"_kj.asBytes()).wait(io.waitScope);
  auto message = socket->receive().wait(io.waitScope);
  CHECK(kj::heapString(message.get<kj::Array<kj::byte>>().asChars()) == "bytes");
}

TEST_CASE_METHOD(Sockets, "a WebSocket whose client vanishes ends its request") {
  auto socket = open();
  REQUIRE(eventually([&]() { return service.active == 1; }));
  socket = nullptr;
  client = nullptr;
  CHECK(eventually([&]() { return service.active == 0; }));
}

TEST_CASE_METHOD(Sockets, "an error on an open WebSocket writes no HTTP into it") {
  auto socket = open();
  socket->send("text"_kj.asArray()).wait(io.waitScope);
  auto e = kj::runCatchingExceptions([&]() { socket->receive().wait(io.waitScope); });
  REQUIRE(e != nullptr);
  CHECK(KJ_ASSERT_NONNULL(e).getType() == kj::Exception::Type::DISCONNECTED);
  CHECK(contains(get("/ok"), "200 OK"));
}

TEST_CASE("a WebSocket's peer is pinged between messages, and dropped when it does not answer") {
  KjLogRedirect noise;
  auto io = kj::setupAsyncIo();
  auto& timer = io.provider->getTimer();
  kj::HttpHeaderTable table;
  // Sends back what it gets.
  class Echo final : public kj::HttpService {
   public:
    explicit Echo(const kj::HttpHeaderTable& table) : table(table) {}
    unsigned active = 0;

    kj::Promise<void> request(kj::HttpMethod, kj::StringPtr, const kj::HttpHeaders&,
                              kj::AsyncInputStream&, Response& response) override {
      auto socket = response.acceptWebSocket(kj::HttpHeaders(table));
      ++active;
      KJ_DEFER(--active);
      for (;;) {
        auto message = co_await socket->receive();
        if (!message.is<kj::Array<kj::byte>>()) co_return;
        co_await socket->send(message.get<kj::Array<kj::byte>>().asPtr());
      }
    }

   private:
    const kj::HttpHeaderTable& table;
  } service(table);
  auto receiver = io.provider->getNetwork().parseAddress("127.0.0.1").wait(io.waitScope)->listen();
  auto serving = serveHttp(*receiver, timer, table, service, 50 * kj::MILLISECONDS).eagerlyEvaluate(nullptr);
  RawConnection c(io.provider->getNetwork()
                      .parseAddress("127.0.0.1", receiver->getPort())
                      .wait(io.waitScope)
                      ->connect()
                      .wait(io.waitScope));
  c.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
      .wait(io.waitScope);
  c.readHead().wait(io.waitScope);
  const std::string ping("\x89\x00", 2), pong("\x8a\x80\x00\x00\x00\x00", 6);
  const std::string message("\x82\x83\x00\x00\x00\x00" "abc", 9), echo("\x82\x03" "abc", 5);
  // Far more pings than one that is not answered would let pass, with messages in between.
  for (int i = 0; i < 5; i++) {
    CHECK(c.readExactly(2).wait(io.waitScope) == ping);
    c.write(pong + message).wait(io.waitScope);
    CHECK(c.readExactly(5).wait(io.waitScope) == echo);
  }
  CHECK(service.active == 1);
  CHECK(c.readToEnd().wait(io.waitScope) == ping);  // and no second one
  for (int i = 0; i < 500 && service.active > 0; i++) timer.afterDelay(10 * kj::MILLISECONDS).wait(io.waitScope);
  CHECK(service.active == 0);
}

TEST_CASE_METHOD(Fixture, "dropping the server closes its connections and cancels their requests") {
  auto c = connect();
  c.write("GET /never HTTP/1.1\r\nHost: x\r\n\r\n").wait(io.waitScope);
  REQUIRE(eventually([&]() { return service.active == 1; }));
  serving = nullptr;
  CHECK(service.active == 0);
  CHECK(c.readToEnd().wait(io.waitScope) == "");
}

}  // namespace
}  // namespace sandbridge
