// HTTPS against a real server: HTTP/2 where it is offered, one connection for many calls, and certificates that are checked.
#include "base/coroutine.h"
#include "base/error.h"
#include "base/json.h"
#include "net/certificates.h"
#include "net/http-client.h"
#include "net/raw-server.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <vector>

namespace sandbridge {
namespace {

// test/net/tls-server.mjs in a process of its own.
class TlsServer {
 public:
  TlsServer(const char* mode, kj::StringPtr key, kj::StringPtr certificate) {
    int toChild[2], fromChild[2];
    KJ_SYSCALL(pipe2(toChild, O_CLOEXEC));
    KJ_SYSCALL(pipe2(fromChild, O_CLOEXEC));
    KJ_SYSCALL(child = fork());
    if (child == 0) {
      dup2(toChild[0], STDIN_FILENO);
      dup2(fromChild[1], STDOUT_FILENO);
      execlp("node", "node", SANDBRIDGE_SOURCE_DIR "/test/net/tls-server.mjs", mode, key.cStr(),
             certificate.cStr(), nullptr);
      _exit(127);
    }
    close(toChild[0]);
    close(fromChild[1]);
    leash = kj::AutoCloseFd(toChild[1]);
    kj::AutoCloseFd output(fromChild[0]);
    char text[16] = {};
    pollfd ready{output, POLLIN, 0};
    KJ_ASSERT(poll(&ready, 1, 60000) == 1, "Node.js did not start");
    KJ_ASSERT(read(output, text, sizeof(text) - 1) > 0, "Node.js is needed for this test");
    port = atoi(text);
  }
  ~TlsServer() noexcept(false) {
    leash = nullptr;
    int status;
    KJ_SYSCALL(waitpid(child, &status, 0));
  }
  KJ_DISALLOW_COPY(TlsServer);

  kj::String url(kj::StringPtr path) { return kj::str("https://127.0.0.1:", port, path); }
  int port;

 private:
  pid_t child;
  kj::AutoCloseFd leash;
};

// A variable of the environment as it was.
class Variable {
 public:
  explicit Variable(const char* name) : name(name) {
    auto value = getenv(name);
    if (value != nullptr) was = kj::str(value);
    unsetenv(name);
  }
  ~Variable() {
    KJ_IF_MAYBE (value, was) {
      setenv(name, value->cStr(), 1);
    } else {
      unsetenv(name);
    }
  }
  KJ_DISALLOW_COPY(Variable);

 private:
  const char* name;
  kj::Maybe<kj::String> was;
};

struct Fixture {
  Fixture() {
    REQUIRE(mkdtemp(directory) != nullptr);
    writeCertificates(directory);
    setenv("SSL_CERT_FILE", file("ca.pem").cStr(), 1);
  }
  ~Fixture() noexcept(false) {
    auto command = kj::str("rm -rf ", directory);
    KJ_ASSERT(system(command.cStr()) == 0);
  }

  Variable certFile{"SSL_CERT_FILE"}, caBundle{"CURL_CA_BUNDLE"};
  char directory[40] = "/tmp/sandbridge-tls-XXXXXX";
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::Own<HttpClient> client = newHttpClient(io.unixEventPort, io.provider->getTimer());

  kj::String file(kj::StringPtr name) { return kj::str(directory, "/", name); }
  kj::Own<TlsServer> serve(const char* mode, kj::StringPtr name = "good") {
    return kj::heap<TlsServer>(mode, file(kj::str(name, ".key")), file(kj::str(name, ".pem")));
  }

  HttpClient::Request request(kj::String url, kj::StringPtr method = "GET") {
    HttpClient::Request r;
    r.method = method;
    r.url = kj::mv(url);
    r.headers.add(HttpClient::Header{kj::str("Authorization"), kj::str("Bearer secret")});
    return r;
  }
  template <typename T>
  T wait(kj::Promise<T> promise) {
    auto late = io.provider->getTimer().afterDelay(60 * kj::SECONDS).then([]() -> kj::Promise<T> {
      return KJ_EXCEPTION(FAILED, "the test waited for too long");
    });
    return promise.exclusiveJoin(kj::mv(late)).wait(io.waitScope);
  }
  kj::Promise<JsonDocument> json(HttpClient::Request r) {
    auto response = co_await client->send(kj::mv(r));
    auto body = co_await readBody(response, 1 << 20);
    co_return parseJson(body.asChars());
  }
  JsonDocument get(kj::String url) { return wait(json(request(kj::mv(url)))); }

  kj::Exception refusal(kj::String url) {
    auto e = kj::runCatchingExceptions([&]() { wait(json(request(kj::mv(url)))); });
    REQUIRE(e != nullptr);
    auto& refused = KJ_ASSERT_NONNULL(e);
    INFO(textOf(refused).cStr());
    CHECK(HttpClient::phaseOf(refused) == TransportPhase::NOT_SENT);
    CHECK(kj::StringPtr(textOf(refused)).startsWith("no secure connection to 127.0.0.1:"));
    CHECK_THAT(textOf(refused).cStr(), !Catch::Contains("secret"));
    return kj::mv(refused);
  }
};

struct Met {
  std::set<std::string> protocols;
  std::set<int64_t> connections;
};

Met manyCalls(Fixture& f, TlsServer& server, int count) {
  std::vector<kj::Promise<JsonDocument>> calls;
  for (int i = 0; i < count; i++) {
    calls.push_back(f.json(f.request(server.url("/wait/100"))).eagerlyEvaluate(nullptr));
  }
  Met met;
  for (auto& call : calls) {
    auto answer = f.wait(kj::mv(call));
    met.protocols.insert(KJ_ASSERT_NONNULL(getString(answer, "protocol")).cStr());
    met.connections.insert(KJ_ASSERT_NONNULL(getInt(answer, "connection")));
  }
  return met;
}

TEST_CASE_METHOD(Fixture, "HTTP/2 is spoken where it is offered, and many calls share one connection", "[tls]") {
  auto server = serve("h2");
  auto met = manyCalls(*this, *server, 90);
  CHECK(met.protocols == std::set<std::string>{"2.0"});
  CHECK(met.connections.size() == 1);
  // And later ones too.
  CHECK(manyCalls(*this, *server, 3).connections == met.connections);
}

TEST_CASE_METHOD(Fixture, "HTTP/1.1 is spoken where it is all there is, with connections that are kept", "[tls]") {
  auto server = serve("h1");
  auto met = manyCalls(*this, *server, 40);
  CHECK(met.protocols == std::set<std::string>{"1.1"});
  CHECK(met.connections.size() > 1);
  for (int i = 0; i < 2; i++) {
    for (auto again : manyCalls(*this, *server, 40).connections) CHECK(met.connections.count(again) == 1);
  }
}

TEST_CASE_METHOD(Fixture, "a certificate of an unknown authority, for another host, or too old is refused in words",
                 "[tls]") {
  auto mode = GENERATE("h2", "h1");
  {
    auto server = serve(mode, "other");
    auto e = refusal(server->url("/wait/0"));
    CHECK(kindOf(e) == ErrorKind::DENIED);
    CHECK_THAT(textOf(e).cStr(), Catch::Contains("127.0.0.1"));
  }
  {
    auto server = serve(mode, "expired");
    auto e = refusal(server->url("/wait/0"));
    CHECK(kindOf(e) == ErrorKind::DENIED);
    CHECK_THAT(textOf(e).cStr(), Catch::Contains("certificate has expired"));
  }
  auto server = serve(mode);
  CHECK(KJ_ASSERT_NONNULL(getBool(get(server->url("/wait/0")), "key")));
  unsetenv("SSL_CERT_FILE");
  client = newHttpClient(io.unixEventPort, io.provider->getTimer());
  auto e = refusal(server->url("/wait/0"));
  CHECK(kindOf(e) == ErrorKind::DENIED);
  CHECK_THAT(textOf(e).cStr(), Catch::Contains("certificate"));
  setenv("CURL_CA_BUNDLE", file("ca.pem").cStr(), 1);
  CHECK(KJ_ASSERT_NONNULL(getBool(get(server->url("/wait/0")), "key")));
}

TEST_CASE_METHOD(Fixture, "a missing file of authorities is told, not taken for a broken network", "[tls]") {
  auto server = serve("h1");
  setenv("CURL_CA_BUNDLE", "/nowhere/ca.pem", 1);
  CHECK(kindOf(refusal(server->url("/wait/0"))) == ErrorKind::DENIED);
}

TEST_CASE_METHOD(Fixture, "a server that does not speak TLS gets nothing to read", "[tls]") {
  RawServer plain(io);
  auto served = [](RawServer& plain) -> kj::Promise<std::string> {
    auto c = co_await plain.accept();
    co_await c.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    co_return co_await c.readToEnd();
  }(plain).eagerlyEvaluate(nullptr);
  refusal(plain.url("/wait/0", "https"));
  CHECK_THAT(wait(kj::mv(served)), !Catch::Contains("secret") && !Catch::Contains("HTTP/1.1"));
}

TEST_CASE_METHOD(Fixture, "over TLS a body goes out as it comes in", "[tls]") {
  auto mode = GENERATE("h2", "h1");
  constexpr uint64_t SIZE = 20u << 20;
  struct Zeros final : public kj::AsyncInputStream {
    uint64_t left = SIZE;
    kj::Promise<size_t> tryRead(void* buffer, size_t, size_t most) override {
      co_await kj::evalLater([]() {});
      auto n = kj::min(most, kj::min(left, uint64_t(50000)));
      memset(buffer, 0, n);
      left -= n;
      co_return n;
    }
  };
  auto server = serve(mode);
  auto r = request(server->url("/count"), "PUT");
  r.body = HttpClient::StreamBody{kj::heap<Zeros>(), SIZE};
  auto answer = wait(json(kj::mv(r)));
  CHECK(KJ_ASSERT_NONNULL(getInt(answer, "count")) == SIZE);
}

TEST_CASE_METHOD(Fixture, "over TLS a reader that does not read holds its sender back, and nobody else", "[tls]") {
  auto mode = GENERATE("h2", "h1");
  INFO(mode);
  constexpr int64_t SIZE = 100 << 20;
  auto server = serve(mode);
  get(server->url("/wait/0"));
  auto big = wait(client->send(request(server->url(kj::str("/bytes/", SIZE)))));
  auto sent = [&]() { return KJ_ASSERT_NONNULL(getInt(get(server->url("/sent")), "sent")); };
  int64_t before;
  do {
    before = sent();
    wait(io.provider->getTimer().afterDelay(100 * kj::MILLISECONDS));
  } while (sent() != before);
  INFO(before);
  CHECK(before < SIZE / 2);
  auto met = manyCalls(*this, *server, 20);
  CHECK(met.protocols.size() == 1);
  // Over HTTP/2 they share the connection of what stands still.
  if (met.protocols.count("2.0")) CHECK(met.connections == std::set<int64_t>{0});
  int64_t read = 0;
  auto buffer = kj::heapArray<kj::byte>(1 << 20);
  for (;;) {
    auto n = wait(big.body->tryRead(buffer.begin(), 1, buffer.size()));
    if (n == 0) break;
    read += n;
  }
  CHECK(read == SIZE);
}

}  // namespace
}  // namespace sandbridge
