#include "net/http-client.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "net/raw-server.h"

#include <catch2/catch.hpp>
#include <stdlib.h>

#include <vector>

namespace sandbridge {
namespace {

constexpr char OK[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

struct Fixture {
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::Own<HttpClient> client = newHttpClient(io.unixEventPort, io.provider->getTimer());
  RawServer server{io};

  HttpClient::Request request(kj::StringPtr method = "GET", kj::StringPtr path = "/") {
    HttpClient::Request r;
    r.method = method;
    r.url = server.url(path);
    return r;
  }

  kj::String text(kj::Promise<HttpClient::Response> promise) {
    auto response = promise.wait(io.waitScope);
    auto body = readBody(response, 100 << 20).wait(io.waitScope);
    return kj::heapString(body.asChars());
  }

  template <typename T>
  kj::Exception rejection(kj::Promise<T> promise) {
    auto e = kj::runCatchingExceptions([&]() { promise.wait(io.waitScope); });
    REQUIRE(e != nullptr);
    return kj::mv(KJ_ASSERT_NONNULL(e));
  }

  // Answers one connection's one request with `answer` and ends the connection.
  kj::Promise<std::string> answerOnce(std::string answer) {
    auto c = co_await server.accept();
    auto head = co_await c.readHead();
    co_await c.write(answer);
    co_return head;
  }
};

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}
bool contains(kj::StringPtr text, const char* part) {
  return contains(std::string(text.cStr()), part);
}

// A source of `size` bytes in pieces, each byte its position modulo 251.
class Pattern final : public kj::AsyncInputStream {
 public:
  explicit Pattern(uint64_t size) : left(size) {}
  kj::Promise<size_t> tryRead(void* buffer, size_t, size_t maxBytes) override {
    co_await kj::evalLater([]() {});
    auto n = kj::min(maxBytes, kj::min(left, uint64_t(30011)));
    for (size_t i = 0; i < n; i++) static_cast<kj::byte*>(buffer)[i] = position++ % 251;
    left -= n;
    co_return n;
  }

 private:
  uint64_t left;
  uint64_t position = 0;
};

TEST_CASE_METHOD(Fixture, "a response has its status, headers in lower case, and body") {
  auto served = answerOnce(
      "HTTP/1.1 100 Continue\r\nX-No: 1\r\n\r\n"
      "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nX-Two:  a b \r\n"
      "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n");
  auto response = client->send(request()).wait(io.waitScope);
  CHECK(response.status == 404);
  CHECK(KJ_ASSERT_NONNULL(response.header("content-type")) == "text/plain");
  CHECK(KJ_ASSERT_NONNULL(response.header("x-two")) == "a b");
  CHECK(response.header("x-no") == nullptr);
  CHECK(response.header("x-trailer") == nullptr);
  auto body = readBody(response, 5).wait(io.waitScope);
  CHECK(kj::heapString(body.asChars()) == "abcde");
}

TEST_CASE_METHOD(Fixture, "a body is sent with its length, not chunked and without waiting for 100 Continue") {
  auto size = GENERATE(size_t(5), size_t(3000000));
  auto r = request("POST", "/x?y=1");
  auto content = kj::heapArray<kj::byte>(size);
  memset(content.begin(), 'b', size);
  r.body = kj::Array<const kj::byte>(kj::mv(content));
  r.headers.add(HttpClient::Header{kj::str("X-Some"), kj::str("thing")});
  r.headers.add(HttpClient::Header{kj::str("X-Empty"), kj::str("")});
  auto promise = client->send(kj::mv(r));
  auto c = server.accept().wait(io.waitScope);
  auto reading = c.readHead().eagerlyEvaluate(nullptr);
  auto head = reading.wait(io.waitScope);
  CHECK(contains(head, "POST /x?y=1 HTTP/1.1\r\n"));
  CHECK(contains(head, kj::str("\r\nContent-Length: ", size, "\r\n").cStr()));
  CHECK(contains(head, "\r\nX-Some: thing\r\n"));
  CHECK(contains(head, "\r\nX-Empty:\r\n"));
  CHECK_FALSE(contains(head, "Expect"));
  CHECK_FALSE(contains(head, "Transfer-Encoding"));
  CHECK(c.readExactly(size).wait(io.waitScope) == std::string(size, 'b'));
  c.write(OK).wait(io.waitScope);
  CHECK(text(kj::mv(promise)) == "ok");
}

TEST_CASE_METHOD(Fixture, "POST and PUT without a body say Content-Length: 0, other methods say nothing") {
  for (auto method : {"POST", "PUT", "GET", "DELETE", "PATCH"}) {
    INFO(method);
    auto promise = client->send(request(method));
    auto c = server.accept().wait(io.waitScope);
    auto head = c.readHead().wait(io.waitScope);
    CHECK(contains(head, kj::str(method, " / HTTP/1.1\r\n").cStr()));
    bool says = contains(head, "Content-Length: 0\r\n");
    CHECK(says == (method[0] == 'P' && method[1] != 'A'));
    CHECK_FALSE(contains(head, "Transfer-Encoding"));
    c.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").wait(io.waitScope);
    CHECK(text(kj::mv(promise)) == "ok");
  }
}

TEST_CASE_METHOD(Fixture, "a HEAD request ends without a body") {
  auto served = answerOnce("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  CHECK(text(client->send(request("HEAD"))) == "");
  CHECK(contains(served.wait(io.waitScope), "HEAD / HTTP/1.1\r\n"));
}

TEST_CASE_METHOD(Fixture, "a streamed body arrives complete") {
  constexpr uint64_t SIZE = 5000000;
  auto r = request("PUT");
  r.body = HttpClient::StreamBody{kj::heap<Pattern>(SIZE), SIZE};
  auto promise = client->send(kj::mv(r));
  auto c = server.accept().wait(io.waitScope);
  CHECK(contains(c.readHead().wait(io.waitScope), "Content-Length: 5000000\r\n"));
  auto got = c.readExactly(SIZE).wait(io.waitScope);
  REQUIRE(got.size() == SIZE);
  bool same = true;
  for (size_t i = 0; i < SIZE; i++) same = same && static_cast<kj::byte>(got[i]) == i % 251;
  CHECK(same);
  c.write(OK).wait(io.waitScope);
  CHECK(text(kj::mv(promise)) == "ok");
}

TEST_CASE_METHOD(Fixture, "a streamed body that ends early fails the request") {
  auto r = request("PUT");
  r.body = HttpClient::StreamBody{kj::heap<Pattern>(100), 101};
  auto served = answerOnce(OK);
  CHECK(textOf(rejection(client->send(kj::mv(r)))) == "the request's body ended 1 bytes early");
}

TEST_CASE_METHOD(Fixture, "a refused connection is known never to have been sent") {
  auto r = request("POST");
  r.url = RawServer(io).url();  // closed again
  auto e = rejection(client->send(kj::mv(r)));
  CHECK(HttpClient::phaseOf(e) == TransportPhase::NOT_SENT);
  CHECK(kindOf(e) == ErrorKind::UNAVAILABLE);
  CHECK(textOf(e).startsWith("cannot connect to 127.0.0.1:"));
  CHECK(textOf(e).endsWith(": Connection refused"));
}

TEST_CASE_METHOD(Fixture, "a name that cannot be resolved is known never to have been sent") {
  auto r = request();
  r.url = kj::str("http://no-such-host.invalid/secret-path");
  auto e = rejection(client->send(kj::mv(r)));
  CHECK(HttpClient::phaseOf(e) == TransportPhase::NOT_SENT);
  CHECK(textOf(e) == "the name of no-such-host.invalid cannot be resolved");
}

TEST_CASE_METHOD(Fixture, "a connection that is never made ends by its own deadline, as not sent") {
  auto r = request();
  r.url = server.url("/", "https");  // accepts, and never says a word of TLS
  r.connectTimeout = 200 * kj::MILLISECONDS;
  auto e = rejection(client->send(kj::mv(r)));
  CHECK(HttpClient::phaseOf(e) == TransportPhase::NOT_SENT);
  CHECK(contains(textOf(e), "within 200 ms"));
}

TEST_CASE_METHOD(Fixture, "a connection that closes without an answer counts as sent") {
  auto served = answerOnce("");
  auto e = rejection(client->send(request("POST")));
  CHECK(HttpClient::phaseOf(e) == TransportPhase::SENT);
  CHECK(kindOf(e) == ErrorKind::INTERRUPTED);
}

TEST_CASE_METHOD(Fixture, "only exceptions of the client are ever not sent") {
  CHECK(HttpClient::phaseOf(makeError(ErrorKind::UNAVAILABLE, "x")) == TransportPhase::SENT);
  CHECK(HttpClient::phaseOf(KJ_EXCEPTION(DISCONNECTED, "x")) == TransportPhase::SENT);
}

TEST_CASE_METHOD(Fixture, "a body cut short rejects the read after what came has been read") {
  auto answer = GENERATE("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc");
  INFO(answer);
  auto served = answerOnce(answer);
  auto response = client->send(request()).wait(io.waitScope);
  char buffer[10];
  CHECK(response.body->tryRead(buffer, 3, 3).wait(io.waitScope) == 3);
  auto e = rejection(response.body->tryRead(buffer, 1, 10));
  CHECK(HttpClient::phaseOf(e) == TransportPhase::SENT);
  CHECK(kindOf(e) == ErrorKind::INTERRUPTED);
}

TEST_CASE_METHOD(Fixture, "a request with effects is not repeated when a kept-alive connection breaks, a GET is") {
  auto method = GENERATE("POST", "DELETE", "GET");
  INFO(method);
  auto first = client->send(request());
  auto c = server.accept().wait(io.waitScope);
  c.readHead().wait(io.waitScope);
  c.write(OK).wait(io.waitScope);
  CHECK(text(kj::mv(first)) == "ok");

  auto second = client->send(request(method)).eagerlyEvaluate(nullptr);
  CHECK(contains(c.readHead().wait(io.waitScope), kj::str(method, " /").cStr()));
  c.stream = nullptr;  // the request is lost, or its answer is: the client cannot know
  if (method[0] == 'G') {
    auto again = server.accept().wait(io.waitScope);
    again.readHead().wait(io.waitScope);
    again.write(OK).wait(io.waitScope);
    CHECK(text(kj::mv(second)) == "ok");
  } else {
    auto repeated = server.accept().then([](RawConnection other) -> HttpClient::Response {
      KJ_FAIL_REQUIRE("the request was repeated");
    });
    auto e = rejection(second.exclusiveJoin(kj::mv(repeated)));
    CHECK(HttpClient::phaseOf(e) == TransportPhase::SENT);
    CHECK(kindOf(e) == ErrorKind::INTERRUPTED);
  }
}

TEST_CASE_METHOD(Fixture, "silence ends a request after the idle timeout, before and inside the body") {
  auto answer = GENERATE("", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  auto r = request();
  r.idleTimeout = 100 * kj::MILLISECONDS;
  auto promise = client->send(kj::mv(r));
  auto c = server.accept().wait(io.waitScope);
  c.write(answer).wait(io.waitScope);
  auto e = rejection(promise.then([](HttpClient::Response response) {
    auto own = kj::heap(kj::mv(response));
    auto body = readBody(*own, 100);
    return body.attach(kj::mv(own));
  }));
  CHECK(HttpClient::phaseOf(e) == TransportPhase::SENT);
  CHECK(contains(textOf(e), "for 100 ms"));
}

TEST_CASE_METHOD(Fixture, "a slow reader is no silence") {
  auto r = request();
  r.idleTimeout = 300 * kj::MILLISECONDS;
  auto promise = client->send(kj::mv(r));
  auto served = [](Fixture& f) -> kj::Promise<void> {
    auto c = co_await f.server.accept();
    co_await c.readHead();
    co_await c.write("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + std::string(3000000, 'a'));
    co_await kj::NEVER_DONE;
  }(*this).eagerlyEvaluate(nullptr);
  auto response = promise.wait(io.waitScope);
  io.provider->getTimer().afterDelay(900 * kj::MILLISECONDS).wait(io.waitScope);
  CHECK(readBody(response, 3000000).wait(io.waitScope).size() == 3000000);
}

TEST_CASE_METHOD(Fixture, "the total timeout ends a transfer that never stops") {
  auto r = request();
  r.totalTimeout = 1 * kj::SECONDS;
  auto promise = client->send(kj::mv(r));
  auto served = [](Fixture& f) -> kj::Promise<void> {
    auto c = co_await f.server.accept();
    co_await c.write("HTTP/1.1 200 OK\r\n\r\n");
    for (;;) {
      co_await c.write("x");
      co_await f.io.provider->getTimer().afterDelay(5 * kj::MILLISECONDS);
    }
  }(*this).eagerlyEvaluate([](kj::Exception&&) {});
  auto response = promise.wait(io.waitScope);
  auto e = rejection(readBody(response, 1000000));
  CHECK(contains(textOf(e), "within 1 s"));
}

TEST_CASE_METHOD(Fixture, "dropping the promise or the body ends the connection") {
  auto withBody = GENERATE(false, true);
  auto promise = client->send(request());
  auto c = server.accept().wait(io.waitScope);
  c.readHead().wait(io.waitScope);
  if (withBody) {
    c.write("HTTP/1.1 200 OK\r\n\r\nabc").wait(io.waitScope);
    auto response = promise.wait(io.waitScope);
    promise = nullptr;
  } else {
    CHECK(!promise.poll(io.waitScope));
    promise = nullptr;
  }
  CHECK(c.readToEnd().wait(io.waitScope) == "");
}

TEST_CASE_METHOD(Fixture, "dropping the client leaves the bodies that it handed out working") {
  auto promise = client->send(request());
  auto c = server.accept().wait(io.waitScope);
  c.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab").wait(io.waitScope);
  auto response = promise.wait(io.waitScope);
  client = nullptr;
  c.write("cd").wait(io.waitScope);
  CHECK(readBody(response, 4).wait(io.waitScope).size() == 4);
}

TEST_CASE_METHOD(Fixture, "a reader that does not read holds the sender back, and loses nothing") {
  constexpr size_t SIZE = 32 << 20;
  size_t written = 0;
  auto served = [](Fixture& f, size_t& written) -> kj::Promise<void> {
    auto c = co_await f.server.accept();
    co_await c.readHead();
    co_await c.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(SIZE) + "\r\n\r\n");
    std::string chunk(65536, '\0');
    while (written < SIZE) {
      for (size_t i = 0; i < chunk.size(); i++) chunk[i] = (written + i) % 251;
      co_await c.stream->write(chunk.data(), chunk.size());
      written += chunk.size();
    }
  }(*this, written).eagerlyEvaluate(nullptr);
  auto response = client->send(request()).wait(io.waitScope);
  size_t before;
  do {
    before = written;
    io.provider->getTimer().afterDelay(100 * kj::MILLISECONDS).wait(io.waitScope);
  } while (written != before);
  CHECK(written < SIZE / 2);
  auto body = readBody(response, SIZE).wait(io.waitScope);
  REQUIRE(body.size() == SIZE);
  bool same = true;
  for (size_t i = 0; i < SIZE; i++) same = same && body[i] == i % 251;
  CHECK(same);
}

TEST_CASE_METHOD(Fixture, "a body longer than allowed is refused") {
  auto served = answerOnce("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef");
  auto response = client->send(request()).wait(io.waitScope);
  CHECK(kindOf(rejection(readBody(response, 5))) == ErrorKind::INVALID_ARGUMENT);
}

TEST_CASE_METHOD(Fixture, "a response whose headers never end is refused") {
  auto served = answerOnce("HTTP/1.1 200 OK\r\nX-Long: " + std::string(300000, 'a') + "\r\n\r\n");
  auto e = rejection(client->send(request()));
  CHECK(kindOf(e) == ErrorKind::INTERRUPTED);
}

TEST_CASE_METHOD(Fixture, "redirects are not followed") {
  auto served = answerOnce("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n");
  CHECK(client->send(request()).wait(io.waitScope).status == 302);
}

TEST_CASE_METHOD(Fixture, "requests that can never be right are refused without showing a secret") {
  for (kj::StringPtr url : {"file:///etc/passwd"_kj, "ftp://h/secret"_kj, "http://user:secret@127.0.0.1/"_kj,
                            "http://127.0.0.1/secret\r\nX: y"_kj, ""_kj, "secret"_kj}) {
    INFO(url.cStr());
    auto r = request();
    r.url = kj::str(url);
    auto e = rejection(client->send(kj::mv(r)));
    CHECK(kindOf(e) == ErrorKind::INVALID_ARGUMENT);
    CHECK_FALSE(contains(e.getDescription(), "secret"));
  }
  auto r = request();
  r.headers.add(HttpClient::Header{kj::str("Authorization"), kj::str("Bearer secret\r\nX: y")});
  auto e = rejection(client->send(kj::mv(r)));
  CHECK(kindOf(e) == ErrorKind::INVALID_ARGUMENT);
  CHECK_FALSE(contains(e.getDescription(), "secret"));
}

TEST_CASE_METHOD(Fixture, "hundreds of requests run at once, more than there may be connections") {
  unsigned connections = 0;
  auto serveOne = [](RawConnection c) -> kj::Promise<void> {
    for (;;) {
      auto head = co_await c.readHead();
      if (head.size() == 0) co_return;
      co_await c.write(OK);
    }
  };
  struct Ignore final : public kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&& e) override { FAIL_CHECK(e.getDescription().cStr()); }
  } ignore;
  kj::TaskSet tasks(ignore);
  auto accepting = [](Fixture& f, kj::TaskSet& tasks, unsigned& connections,
                      kj::Promise<void> (*serve)(RawConnection)) -> kj::Promise<void> {
    for (;;) {
      auto c = co_await f.server.accept();
      ++connections;
      tasks.add(serve(kj::mv(c)));
    }
  }(*this, tasks, connections, serveOne).eagerlyEvaluate(nullptr);
  kj::Vector<kj::Promise<HttpClient::Response>> requests;
  for (int i = 0; i < 400; i++) requests.add(client->send(request()).eagerlyEvaluate(nullptr));
  for (auto& r : requests) CHECK(text(kj::mv(r)) == "ok");
  CHECK(connections <= 256);
}

TEST_CASE_METHOD(Fixture, "lasting responses, however many, leave connections for requests that come and go") {
  struct Ignore final : public kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&& e) override { FAIL_CHECK(e.getDescription().cStr()); }
  } ignore;
  kj::TaskSet tasks(ignore);
  unsigned streams = 0;
  auto serveOne = [](RawConnection c, unsigned& streams) -> kj::Promise<void> {
    for (;;) {
      auto head = co_await c.readHead();
      if (head.empty()) co_return;
      if (head.compare(0, 8, "GET /end") == 0) {
        co_await c.write(OK);
      } else {
        ++streams;
        co_await c.write("HTTP/1.1 200 OK\r\n\r\n");
      }
    }
  };
  auto accepting = [](Fixture& f, kj::TaskSet& tasks, unsigned& streams,
                      kj::Promise<void> (*serve)(RawConnection, unsigned&)) -> kj::Promise<void> {
    for (;;) tasks.add(serve(co_await f.server.accept(), streams));
  }(*this, tasks, streams, serveOne).eagerlyEvaluate(nullptr);
  auto lasting = [&](kj::Duration patience) {
    auto r = request("GET", "/stream");
    r.lasting = true;
    r.answerTimeout = patience;
    return client->send(kj::mv(r)).eagerlyEvaluate(nullptr);
  };
  std::vector<kj::Promise<HttpClient::Response>> all;
  for (int i = 0; i < 300; i++) all.push_back(lasting(60 * kj::SECONDS));
  std::vector<HttpClient::Response> responses;
  for (int i = 0; i < 224; i++) responses.push_back(all[i].wait(io.waitScope));
  CHECK(text(client->send(request("GET", "/end"))) == "ok");
  CHECK(streams == 224);
  CHECK_FALSE(all[224].poll(io.waitScope));

  auto e = rejection(lasting(50 * kj::MILLISECONDS));
  CHECK(HttpClient::phaseOf(e) == TransportPhase::NOT_SENT);
  CHECK(kindOf(e) == ErrorKind::UNAVAILABLE);

  // One that gives up is passed over, and one that ends makes room.
  all[224] = nullptr;
  responses.pop_back();
  responses.push_back(all[225].wait(io.waitScope));
  CHECK(streams == 225);
}

TEST_CASE_METHOD(Fixture, "curl's proxy variables count, but not for loopback") {
  setenv("http_proxy", server.url().cStr(), 1);
  KJ_DEFER(unsetenv("http_proxy"));
  auto served = answerOnce(OK);
  auto r = request();
  r.url = kj::str("http://example.test/path");
  CHECK(text(client->send(kj::mv(r))) == "ok");
  CHECK(contains(served.wait(io.waitScope), "GET http://example.test/path HTTP/1.1\r\n"));
  auto direct = answerOnce(OK);
  CHECK(text(client->send(request())) == "ok");
  CHECK(contains(direct.wait(io.waitScope), "GET / HTTP/1.1\r\n"));
}

}  // namespace
}  // namespace sandbridge
