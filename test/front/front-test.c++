#include "front/front.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "front/private-config.h"
#include "front/redaction.h"
#include "front/request-policy.h"
#include "net/http-server.h"
#include "net/raw-server.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kj/filesystem.h>
#include <kj/io.h>

namespace sandbridge {
namespace {

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}
bool contains(kj::StringPtr text, const char* part) {
  return contains(std::string(text.cStr()), part);
}

struct TemporaryDirectory {
  char path[40] = "/tmp/sandbridge-test-XXXXXX";
  TemporaryDirectory() { KJ_ASSERT(mkdtemp(path) != nullptr); }
  ~TemporaryDirectory() noexcept(false) {
    kj::newDiskFilesystem()->getRoot().remove(kj::Path::parse(kj::StringPtr(path).slice(1)));
  }
  kj::String operator/(kj::StringPtr name) { return kj::str(path, "/", name); }
};

void writeFile(kj::StringPtr path, kj::StringPtr text, mode_t mode = 0600) {
  int fd;
  KJ_SYSCALL(fd = open(path.cStr(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  kj::FdOutputStream(kj::AutoCloseFd(fd)).write(text.begin(), text.size());
}

kj::String readFile(kj::StringPtr path) {
  int fd;
  KJ_SYSCALL(fd = open(path.cStr(), O_RDONLY | O_CLOEXEC));
  return kj::FdInputStream(kj::AutoCloseFd(fd)).readAllText();
}

struct WithEnvironment {
  const char* name;
  kj::Maybe<kj::String> old;
  WithEnvironment(const char* name, kj::StringPtr value) : name(name) {
    auto before = getenv(name);
    if (before != nullptr) old = kj::str(before);
    setenv(name, value.cStr(), 1);
  }
  ~WithEnvironment() {
    KJ_IF_MAYBE (o, old) {
      setenv(name, o->cStr(), 1);
    } else {
      unsetenv(name);
    }
  }
};

TEST_CASE("the configuration keeps the user's, and ours is over it") {
  auto doc = parseJson(openCodeConfig(
      R"({"model":"a/b","lsp":true,"share":"auto","plugin":["theirs"],"provider":{"x":{}}})", "/the/plugin"));
  CHECK(KJ_ASSERT_NONNULL(getString(doc, "model")) == "a/b");
  CHECK(getObject(doc, "provider") != nullptr);
  auto& plugins = KJ_ASSERT_NONNULL(getArray(doc, "plugin"));
  REQUIRE(plugins.Size() == 2);
  CHECK(stringOf(plugins[1]) == "/the/plugin");  // the last one wins
  CHECK(KJ_ASSERT_NONNULL(getString(doc, "share")) == "disabled");
  CHECK(KJ_ASSERT_NONNULL(getBool(doc, "lsp")));  // the plugin's to mind
  for (auto name : {"formatter", "snapshot", "autoupdate"}) {
    CHECK(!KJ_ASSERT_NONNULL(getBool(doc, name)));
  }
  auto e = kj::runCatchingExceptions([]() { openCodeConfig("[1]", "/p"); });
  CHECK(kindOf(KJ_ASSERT_NONNULL(e)) == ErrorKind::INVALID_ARGUMENT);
}

TEST_CASE("every built-in tool that touches the machine is denied, yet stays visible") {
  for (kj::StringPtr users : {""_kj, R"({"bash":"allow","edit":{"-":"ask","*":"allow"},"webfetch":"ask"})"_kj}) {
    auto doc = parseJson(openCodePermission(users));
    for (auto name : {"bash", "read", "edit", "glob", "grep", "list"}) {
      INFO(name);
      auto& rules = KJ_ASSERT_NONNULL(getObject(doc, name));
      // Order counts: the last rule that matches does, and the very last must not be a deny of everything.
      auto last = rules.MemberEnd() - 1, before = rules.MemberEnd() - 2;
      CHECK(stringOf(before->name) == "*");
      CHECK(stringOf(before->value) == "deny");
      CHECK(stringOf(last->name) == "-");
      CHECK(stringOf(last->value) == "allow");
    }
    if (users.size() > 0) CHECK(KJ_ASSERT_NONNULL(getString(doc, "webfetch")) == "ask");
  }
}

TEST_CASE("the child's environment has none of our credentials") {
  WithEnvironment a("TENSORLAKE_API_KEY", "secret"), b("SANDBRIDGE_TOKEN", "secret"),
      c("OPENCODE_PURE", "1"), d("SANDBRIDGE_URL", "old"), e("ANTHROPIC_API_KEY", "theirs");
  auto environment = childEnvironment(kj::arr(kj::str("SANDBRIDGE_URL=new")));
  auto text = std::string(kj::strArray(environment, "\n").cStr());
  CHECK_FALSE(contains(text, "secret"));
  CHECK_FALSE(contains(text, "OPENCODE_PURE"));
  CHECK_FALSE(contains(text, "SANDBRIDGE_URL=old"));
  CHECK(contains(text, "SANDBRIDGE_URL=new"));
  CHECK(contains(text, "ANTHROPIC_API_KEY=theirs"));
}

TEST_CASE("OpenCode's private place is private, shows the user's configuration and needs no installation") {
  TemporaryDirectory dir;
  KJ_SYSCALL(mkdir((dir / "config").cStr(), 0755));
  KJ_SYSCALL(mkdir((dir / "config/opencode").cStr(), 0755));
  KJ_SYSCALL(mkdir((dir / "config/git").cStr(), 0755));
  writeFile(dir / "config/opencode/opencode.json", "{}");
  writeFile(dir / "config/opencode/package.json", "theirs");
  WithEnvironment xdg("XDG_CONFIG_HOME", dir / "config");
  OpenCodePlace place;
  for (int i = 0; i < 2; i++) place = makeOpenCodePlace(dir / "state");  // again is fine
  struct stat st;
  KJ_SYSCALL(stat(place.directory.cStr(), &st));
  CHECK((st.st_mode & 0777) == 0700);
  CHECK(readFile(kj::str(place.configHome, "/opencode/opencode.json")) == "{}");
  CHECK(access(kj::str(place.configHome, "/git").cStr(), F_OK) == 0);
  for (auto file : {"package.json", "package-lock.json"}) {
    CHECK(contains(readFile(kj::str(place.configHome, "/opencode/", file)), "@opencode-ai/plugin"));
  }
  CHECK(readFile(dir / "config/opencode/package.json") == "theirs");
  // What the user has taken away goes here too.
  KJ_SYSCALL(unlink((dir / "config/opencode/opencode.json").cStr()));
  place = makeOpenCodePlace(dir / "state");
  CHECK(access(kj::str(place.configHome, "/opencode/opencode.json").cStr(), F_OK) != 0);
}

TEST_CASE("requests for terminals, configuration and the machine's files never pass") {
  using M = kj::HttpMethod;
  auto status = [](M method, kj::StringPtr url) {
    KJ_IF_MAYBE (a, answerInstead(method, url)) { return a->status; }
    return 0u;
  };
  for (kj::StringPtr url : {"/pty"_kj, "/pty/"_kj, "/pty/x/connect"_kj, "//pty"_kj, "/PTY"_kj, "/%70ty"_kj,
                            "/api/pty?x"_kj, "/\\pty"_kj, "/pty%2fx"_kj}) {
    INFO(url.cStr());
    CHECK(status(M::GET, url) == 403);
    CHECK(status(M::POST, url) == 403);
  }
  for (kj::StringPtr url : {"/x/../pty"_kj, "/x/%2e%2e/pty"_kj, "/./pty"_kj, "/pty#"_kj, "http://h/pty"_kj,
                            "/p\tty"_kj, "/p%0aty"_kj, "pty"_kj, "/.."_kj}) {
    INFO(url.cStr());
    CHECK(status(M::POST, url) == 400);
  }
  CHECK(status(M::PATCH, "/config") == 403);
  CHECK(status(M::POST, "/mcp") == 403);
  CHECK(status(M::GET, "/config") == 0);
  CHECK(status(M::GET, "/file/content?path=/etc/passwd") == 404);
  CHECK(status(M::GET, "/find/file?query=x") == 200);
  CHECK(status(M::GET, "/vcs") == 200);
  CHECK(status(M::GET, "/vcs/diff?mode=git") == 200);
  CHECK(status(M::GET, "/vcs/diff/raw") == 200);
  CHECK(status(M::GET, "/event") == 0);
  CHECK(status(M::POST, "/session/ses_1/message") == 0);
  CHECK(status(M::GET, "/ptymore") == 0);
}

TEST_CASE("of OpenCode's interface, only what its clients need can change anything") {
  using M = kj::HttpMethod;
  auto status = [](M method, kj::StringPtr url) {
    KJ_IF_MAYBE (a, answerInstead(method, url)) { return a->status; }
    return 0u;
  };
  // Sessions of OpenCode's other core, whose bash is the host's; git and start commands; state from elsewhere.
  for (kj::StringPtr url : {"/api/session"_kj, "/api/session/ses_1/prompt"_kj, "/API//session/ses_1/prompt"_kj,
                            "/project/git/init"_kj, "/experimental/worktree"_kj, "/sync/replay"_kj,
                            "/global/upgrade"_kj, "/mcp/x/connect"_kj, "/unheard/of"_kj, "/sessions"_kj, "/"_kj}) {
    INFO(url.cStr());
    for (auto method : {M::POST, M::PUT, M::PATCH, M::DELETE}) CHECK(status(method, url) == 403);
  }
  for (kj::StringPtr url : {"/session"_kj, "/session/ses_1/message"_kj, "/session/ses_1/shell"_kj,
                            "/permission/per_1/reply"_kj, "/question/q/reply"_kj, "/tui/show-toast"_kj, "/log"_kj}) {
    INFO(url.cStr());
    CHECK(status(M::POST, url) == 0);
  }
  CHECK(status(M::GET, "/api/session") == 0);
  CHECK(status(M::OPTIONS, "/project/git/init") == 0);
}

TEST_CASE("the directory that a client asks for is taken out of its request") {
  CHECK(withoutDirectory("/event?directory=%2Fetc") == "/event");
  CHECK(withoutDirectory("/event?a=1&directory=/etc&b=2") == "/event?a=1&b=2");
  CHECK(withoutDirectory("/event?%64irectory=/etc&directory=x") == "/event");
  CHECK(withoutDirectory("/event?a=directory&directoryx=1") == "/event?a=directory&directoryx=1");
  CHECK(withoutDirectory("/event") == "/event");
}

// The proxy between a raw client and a raw upstream.
struct Proxy {
  KjLogRedirect noise;
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::HttpHeaderTable table;
  RawServer upstream{io};
  kj::Own<kj::HttpService> proxy = newReverseProxy(
      io.provider->getTimer(), io.provider->getNetwork(), table, upstream.url(""),
      ReverseProxyOptions{kj::str("Basic secret"), kj::str("/the place"), false});
  kj::Own<kj::ConnectionReceiver> receiver =
      io.provider->getNetwork().parseAddress("127.0.0.1").wait(io.waitScope)->listen();
  kj::Promise<void> serving =
      serveHttp(*receiver, io.provider->getTimer(), table, *proxy).eagerlyEvaluate(nullptr);

  RawConnection connect() {
    return RawConnection(io.provider->getNetwork()
                             .parseAddress("127.0.0.1", receiver->getPort())
                             .wait(io.waitScope)
                             ->connect()
                             .wait(io.waitScope));
  }
  RawConnection send(std::string head) {
    auto c = connect();
    c.write(head).wait(io.waitScope);
    return c;
  }
};

constexpr char GET[] = "GET /x HTTP/1.1\r\nHost: localhost:1\r\n\r\n";

TEST_CASE_METHOD(Proxy, "a request goes upstream with its body, without what concerns the connection, with what is ours") {
  auto c = send(
      "POST /session?directory=/etc&a=1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Length: 5\r\nX-Mine: 1\r\n"
      "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nAuthorization: Bearer theirs\r\n"
      "x-opencode-directory: /etc\r\n\r\nhello");
  auto u = upstream.accept().wait(io.waitScope);
  auto head = u.readHead().wait(io.waitScope);
  CHECK(contains(head, "POST /session?a=1 HTTP/1.1\r\n"));
  CHECK(contains(head, "X-Mine: 1\r\n"));
  CHECK(contains(head, "Authorization: Basic secret\r\n"));
  CHECK(contains(head, "X-OpenCode-Directory: %2Fthe%20place\r\n"));
  CHECK(contains(head, kj::str("Host: 127.0.0.1:", upstream.port(), "\r\n").cStr()));
  for (auto part : {"X-Hop", "TE:", "theirs", "/etc", "keep-alive"}) CHECK_FALSE(contains(head, part));
  CHECK(u.readExactly(5).wait(io.waitScope) == "hello");
  u.write("HTTP/1.1 201 Created\r\nX-Theirs: 2\r\nConnection: X-Private\r\nX-Private: 1\r\nContent-Length: 3\r\n\r\nyes")
      .wait(io.waitScope);
  auto answer = c.readHead().wait(io.waitScope);
  CHECK(contains(answer, "HTTP/1.1 201 Created\r\n"));
  CHECK(contains(answer, "X-Theirs: 2\r\n"));
  CHECK(contains(answer, "Content-Length: 3\r\n"));
  CHECK_FALSE(contains(answer, "X-Private"));
  CHECK(c.readExactly(3).wait(io.waitScope) == "yes");
}

TEST_CASE("keys are taken out of what OpenCode shows, and nothing else") {
  CHECK(withoutKeys(R"({"provider":{"x":{"options":{"apiKey":"sk-1","baseURL":"u","headers":{"A":"b"}},"key":"sk-2"}},)"
                    R"("mcp":{"m":{"environment":{"T":"sk-3"},"command":["c"]}},"all":[{"Authorization":"B sk-4","n":1}]})"_kj) ==
        R"({"provider":{"x":{"options":{"apiKey":"hidden","baseURL":"u","headers":{"A":"hidden"}},"key":"hidden"}},)"
        R"("mcp":{"m":{"environment":{"T":"hidden"},"command":["c"]}},"all":[{"Authorization":"hidden","n":1}]})");
  CHECK_THROWS(withoutKeys("{"_kj));
}

TEST_CASE_METHOD(Proxy, "a configuration comes without its keys, however the client asks for it") {
  auto path = GENERATE(as<std::string>(), "/config", "/config/providers?x=1", "//Provider/", "/%63onfig", "/api/provider");
  auto c = send("GET " + path + " HTTP/1.1\r\nHost: localhost:1\r\nAccept-Encoding: gzip\r\n\r\n");
  auto u = upstream.accept().wait(io.waitScope);
  CHECK_FALSE(contains(u.readHead().wait(io.waitScope), "gzip"));
  u.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{\"apiKey\":\"sk-77\"}")
      .wait(io.waitScope);
  CHECK(contains(c.readHead().wait(io.waitScope), "Content-Length: 19\r\n"));
  CHECK(c.readExactly(19).wait(io.waitScope) == "{\"apiKey\":\"hidden\"}");
}

TEST_CASE_METHOD(Proxy, "server-sent events pass one by one, while the stream goes on") {
  auto c = send(GET);
  auto u = upstream.accept().wait(io.waitScope);
  u.readHead().wait(io.waitScope);
  u.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
      .wait(io.waitScope);
  CHECK(contains(c.readHead().wait(io.waitScope), "text/event-stream"));
  for (auto event : {"data: 1\n\n", "data: 2\n\n"}) {
    u.write(std::string("9\r\n") + event + "\r\n").wait(io.waitScope);
    CHECK(c.readExactly(14).wait(io.waitScope) == std::string("9\r\n") + event + "\r\n");
  }
}

TEST_CASE_METHOD(Proxy, "a client that hangs up ends the request upstream") {
  auto c = send(GET);
  auto u = upstream.accept().wait(io.waitScope);
  u.readHead().wait(io.waitScope);
  auto begun = GENERATE(false, true);
  if (begun) {
    u.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").wait(io.waitScope);
    c.readHead().wait(io.waitScope);
  }
  c.stream = nullptr;
  CHECK(u.readToEnd().wait(io.waitScope) == "");
}

TEST_CASE_METHOD(Proxy, "answers without a body stay without one") {
  auto answer = GENERATE("HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n");
  auto c = send(GET);
  auto u = upstream.accept().wait(io.waitScope);
  u.readHead().wait(io.waitScope);
  u.write(answer).wait(io.waitScope);
  CHECK(contains(c.readHead().wait(io.waitScope), std::string(answer).substr(0, 12).c_str()));
  c.write(GET).wait(io.waitScope);  // the connection is good for another request
  auto again = upstream.accept().wait(io.waitScope);
  CHECK(contains(again.readHead().wait(io.waitScope), "GET /x "));
}

TEST_CASE_METHOD(Proxy, "the answer to HEAD keeps its length and has no body") {
  auto c = send("HEAD /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  auto u = upstream.accept().wait(io.waitScope);
  CHECK(contains(u.readHead().wait(io.waitScope), "HEAD /x"));
  u.write("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n").wait(io.waitScope);
  auto answer = c.readToEnd().wait(io.waitScope);
  CHECK(contains(answer, "Content-Length: 12\r\n"));
  CHECK(answer.substr(answer.size() - 4) == "\r\n\r\n");
}

TEST_CASE_METHOD(Proxy, "an upstream that is not there, or says nothing, is a 502 with a sentence") {
  SECTION("not there") {
    upstream.receiver = nullptr;
    auto c = send(GET);
    CHECK(contains(c.readHead().wait(io.waitScope), "502 Bad Gateway"));
  }
  SECTION("says nothing") {
    auto c = send(GET);
    auto u = upstream.accept().wait(io.waitScope);
    u.readHead().wait(io.waitScope);
    u.stream = nullptr;
    CHECK(contains(c.readHead().wait(io.waitScope), "502 Bad Gateway"));
  }
}

TEST_CASE_METHOD(Proxy, "an answer that breaks off upstream does not look complete") {
  auto c = send(GET);
  auto u = upstream.accept().wait(io.waitScope);
  u.readHead().wait(io.waitScope);
  u.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").wait(io.waitScope);
  u.stream = nullptr;
  auto all = c.readToEnd().wait(io.waitScope);
  CHECK(contains(all, "1\r\nx\r\n"));
  CHECK_FALSE(contains(all, "0\r\n\r\n"));
}

TEST_CASE_METHOD(Proxy, "requests from web pages of elsewhere are refused") {
  auto c = GENERATE("Host: localhost\r\nOrigin: http://evil.example\r\n", "Host: localhost\r\nOrigin: null\r\n",
                    "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", "Host: evil.example\r\n",
                    "Host: 127.evil.example\r\n", "Host: localhost\r\nOrigin: http://localhost.evil.example\r\n",
                    "Host: localhost.evil.example:80\r\n");
  INFO(c);
  auto connection = send(std::string("GET /x HTTP/1.1\r\n") + c + "\r\n");
  CHECK(contains(connection.readHead().wait(io.waitScope), "403 Forbidden"));
}

TEST_CASE_METHOD(Proxy, "requests from loopback pass, a page there included") {
  auto c = GENERATE("Host: LOCALHOST:8787\r\nOrigin: http://127.0.0.1:3000\r\n", "Host: [::1]:8787\r\n");
  auto connection = send(std::string("GET /x HTTP/1.1\r\n") + c + "\r\n");
  auto u = upstream.accept().wait(io.waitScope);
  CHECK(contains(u.readHead().wait(io.waitScope), "GET /x"));
}

// An upstream that speaks WebSocket.
struct Echo final : public kj::HttpService {
  explicit Echo(const kj::HttpHeaderTable& table) : table(table) {}
  unsigned active = 0;
  kj::Promise<void> request(kj::HttpMethod, kj::StringPtr, const kj::HttpHeaders&, kj::AsyncInputStream&,
                            Response& response) override {
    ++active;
    KJ_DEFER(--active);
    auto socket = response.acceptWebSocket(kj::HttpHeaders(table));
    for (;;) {
      auto message = co_await socket->receive();
      if (message.is<kj::WebSocket::Close>()) {
        co_await socket->close(1000, "");
        co_return;
      }
      co_await socket->send(message.get<kj::String>().asArray());
    }
  }
  const kj::HttpHeaderTable& table;
};

TEST_CASE("a WebSocket passes both ways and ends on both sides") {
  KjLogRedirect noise;
  auto io = kj::setupAsyncIo();
  auto& timer = io.provider->getTimer();
  auto& network = io.provider->getNetwork();
  kj::HttpHeaderTable table;
  Echo echo(table);
  auto local = network.parseAddress("127.0.0.1").wait(io.waitScope);
  auto behind = local->listen(), front = local->listen();
  auto serveBehind = serveHttp(*behind, timer, table, echo).eagerlyEvaluate(nullptr);
  auto proxy = newReverseProxy(timer, network, table, kj::str("http://127.0.0.1:", behind->getPort()));
  auto serveFront = serveHttp(*front, timer, table, *proxy).eagerlyEvaluate(nullptr);
  struct Entropy final : public kj::EntropySource {
    void generate(kj::ArrayPtr<kj::byte> buffer) override { memset(buffer.begin(), 5, buffer.size()); }
  } entropy;
  kj::HttpClientSettings settings;
  settings.entropySource = entropy;
  auto address = network.parseAddress("127.0.0.1", front->getPort()).wait(io.waitScope);
  auto client = kj::newHttpClient(timer, table, *address, settings);
  kj::HttpHeaders headers(table);
  headers.set(kj::HttpHeaderId::HOST, "localhost");
  auto answer = client->openWebSocket("/ws", headers).wait(io.waitScope);
  REQUIRE(answer.statusCode == 101);
  auto socket = kj::mv(answer.webSocketOrBody.get<kj::Own<kj::WebSocket>>());
  for (auto text : {"one"_kj, "two"_kj}) {
    socket->send(text.asArray()).wait(io.waitScope);
    CHECK(socket->receive().wait(io.waitScope).get<kj::String>() == text);
  }
  SECTION("closed") {
    socket->close(1000, "").wait(io.waitScope);
    CHECK(socket->receive().wait(io.waitScope).is<kj::WebSocket::Close>());
  }
  SECTION("vanished") {}
  socket = nullptr;
  client = nullptr;
  for (int i = 0; i < 1000 && echo.active > 0; i++) timer.afterDelay(10 * kj::MILLISECONDS).wait(io.waitScope);
  CHECK(echo.active == 0);
}

struct Start {
  kj::AsyncIoContext io = kj::setupAsyncIo();
  TemporaryDirectory dir;

  // A stand-in for `opencode` with this shell text.
  OpenCodeOptions options(kj::StringPtr script) {
    writeFile(dir / "fake", kj::str("#!/bin/sh\n", script), 0700);
    OpenCodeOptions o;
    o.command = kj::str(dir / "fake", "  extra");
    o.bridgeUrl = kj::str("ws://127.0.0.1:1/rpc");
    o.tokenFile = kj::str("/token");
    o.pluginPath = kj::str("/plugin");
    o.stateDir = dir / "state";
    return o;
  }
};

TEST_CASE_METHOD(Start, "OpenCode is started with its arguments, place and secrets, and its address is learnt") {
  auto server = startOpenCode(io, options("echo \"$@\" > ../args; pwd > ../pwd; env > ../env\n"
                                          "echo 'some warning' >&2; echo opencode server listening on http://127.0.0.1:$6\n"
                                          "sleep 1000"))
                    .wait(io.waitScope);
  CHECK(server->url().startsWith("http://127.0.0.1:"));
  auto args = readFile(dir / "state/opencode/args");
  CHECK(args == kj::str("extra serve --hostname 127.0.0.1 --port ", server->url().slice(17), "\n"));
  CHECK(readFile(dir / "state/opencode/pwd") == kj::str(server->directory(), "\n"));
  auto environment = readFile(dir / "state/opencode/env");
  CHECK(contains(environment, "SANDBRIDGE_URL=ws://127.0.0.1:1/rpc\n"));
  CHECK(contains(environment, "SANDBRIDGE_TOKEN_FILE=/token\n"));
  CHECK(contains(environment, "OPENCODE_SERVER_PASSWORD="));
  CHECK(server->authorization().startsWith("Basic "));
  CHECK(!server->onExit().poll(io.waitScope));
}

TEST_CASE_METHOD(Start, "an OpenCode that ends before it listens is an error with its last words") {
  auto e = kj::runCatchingExceptions(
      [&]() { startOpenCode(io, options("echo first; echo no such option >&2; exit 3")).wait(io.waitScope); });
  auto text = textOf(KJ_ASSERT_NONNULL(e));
  CHECK(contains(text, "OpenCode ended (exit code 3)"));
  CHECK(contains(text, "no such option"));
}

TEST_CASE_METHOD(Start, "an OpenCode that ends later is told of") {
  auto server = startOpenCode(io, options("echo opencode server listening on http://127.0.0.1:1; sleep 0.2; kill -9 $$"))
                    .wait(io.waitScope);
  auto e = kj::runCatchingExceptions([&]() { server->onExit().wait(io.waitScope); });
  CHECK(contains(textOf(KJ_ASSERT_NONNULL(e)), "OpenCode ended (signal 9)"));
}

TEST_CASE_METHOD(Start, "an OpenCode that is not installed is NOT_FOUND with the way out") {
  auto o = options("");
  o.command = kj::str("no-such-opencode");
  auto e = kj::runCatchingExceptions([&]() { startOpenCode(io, kj::mv(o)).wait(io.waitScope); });
  CHECK(kindOf(KJ_ASSERT_NONNULL(e)) == ErrorKind::NOT_FOUND);
  CHECK(contains(textOf(KJ_ASSERT_NONNULL(e)), "npm install -g opencode-ai"));
}

}  // namespace
}  // namespace sandbridge
