// webfetch, with each program that it can use, against a server of this machine.

#include "directory-workspace.h"

#include "base/coroutine.h"
#include "base/json.h"
#include "tools/fetch.h"
#include "tools/limits.h"
#include "tools/text.h"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <filesystem>

namespace sandbridge::test {
namespace {

namespace fs = std::filesystem;

std::string text(kj::StringPtr s) {
  return std::string(view(s));
}

// Answers by the path that is asked for, and remembers the requests' heads.
class PageServer final : private kj::TaskSet::ErrorHandler {
 public:
  explicit PageServer(kj::AsyncIoContext& io)
      : address(io.provider->getNetwork().parseAddress("127.0.0.1").wait(io.waitScope)),
        receiver(address->listen()),
        tasks(*this) {
    tasks.add(accept());
  }

  std::vector<std::string> requests;
  size_t open = 0;  // connections whose client is still there

  std::string url(std::string_view path) {
    return "http://127.0.0.1:" + std::to_string(receiver->getPort()) + std::string(path);
  }

 private:
  kj::Own<kj::NetworkAddress> address;
  kj::Own<kj::ConnectionReceiver> receiver;
  kj::TaskSet tasks;

  void taskFailed(kj::Exception&&) override {}  // a client that has gone

  kj::Promise<void> accept() {
    for (;;) {
      auto connection = co_await receiver->accept();
      tasks.add(serve(kj::mv(connection)));
    }
  }

  kj::Promise<void> serve(kj::Own<kj::AsyncIoStream> connection) {
    ++open;
    KJ_DEFER(--open);
    std::string head;
    char buffer[4096];
    while (head.find("\r\n\r\n") == std::string::npos) {
      auto n = co_await connection->tryRead(buffer, 1, sizeof(buffer));
      if (n == 0) co_return;
      head.append(buffer, n);
    }
    requests.push_back(head);
    auto space = head.find(' ');
    auto path = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
    if (path == "/posted") {
      auto rest = head.substr(head.find("\r\n\r\n") + 4);
      while (!rest.ends_with("\"end\"}")) {
        auto n = co_await connection->tryRead(buffer, 1, sizeof(buffer));
        if (n == 0) co_return;
        rest.append(buffer, n);
      }
      auto echo = page("200 OK", "Content-Type: text/echo\r\n", rest);
      co_await connection->write(echo.data(), echo.size());
      co_return;
    }
    auto answer = answerTo(path, head);
    if (path == "/endless" || path == "/endless-404") {
      auto piece = "HTTP/1.1 " + std::string(path == "/endless" ? "200 OK" : "404 No") + "\r\n\r\n";
      for (;;) {
        co_await connection->write(piece.data(), piece.size());
        piece = std::string(65536, 'x');
      }
    }
    co_await connection->write(answer.data(), answer.size());
    if (path != "/silent" && path != "/stalled") co_return;
    // Nothing more comes; ends when the client goes.
    while (co_await connection->tryRead(buffer, 1, sizeof(buffer)) > 0) {
    }
  }

  static std::string page(std::string_view status, std::string_view headers, std::string_view body) {
    return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\nConnection: close\r\n" + std::string(headers) + "\r\n" + std::string(body);
  }

  std::string answerTo(const std::string& path, const std::string& head) {
    if (path == "/html") return page("200 OK", "content-type: text/html; charset=utf-8\r\n", "<p>caf\xc3\xa9</p>");
    if (path == "/image") return page("200 OK", "Content-Type: image/PNG; x=1\r\n", std::string("\x89PNG\0\r\n", 7));
    if (path == "/spoof") {
      return page("200 OK", "Content-Type: text/plain\r\n", "HTTP/1.1 404 No\r\nContent-Type: text/html\r\n\r\nbody");
    }
    if (path == "/bytes") return page("200 OK", "", "\xef\xbb\xbf" "a\xff\r\n");
    if (path == "/empty") return page("204 No Content", "", "");
    if (path == "/missing") return page("404 Not Found", "Content-Type: text/plain\r\n", "nothing here");
    if (path == "/unchanged") return "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n";
    if (path == "/loop") return page("302 Found", "Location: /loop\r\n", "over there");
    if (path == "/moved") return page("301 Moved", "Location: /html\r\n", "over there");
    if (path == "/to-file") return page("302 Found", "Location: file:///etc/passwd\r\n", "");
    if (path == "/to-ftp") return page("302 Found", "Location: ftp://127.0.0.1:1/x\r\n", "");
    if (path == "/announced") return "HTTP/1.1 200 OK\r\nContent-Length: 5242881\r\n\r\n" + std::string(5'242'881, 'x');
    if (path == "/largest") return page("200 OK", "", std::string(PAGE_BYTES, 'x'));
    if (path == "/short") return "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf";
    if (path == "/challenge") {
      if (head.find("User-Agent: opencode\r\n") != std::string::npos) return page("200 OK", "", "welcome");
      return page("403 Forbidden", "CF-Mitigated: challenge\r\n", "prove it");
    }
    if (path == "/stalled") return "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    if (path == "/silent") return "";
    if (path == "/garbage") return "what?\r\n\r\n";
    return page("200 OK", "Content-Type: text/plain\r\n", "at " + path);
  }
};

struct WebBench : Bench {
  PageServer server{loop.io};

  explicit WebBench(std::vector<std::string> programs = {}) {
    // No program of this machine but these, and no proxy.
    setenv("no_proxy", "*", 1);
    fs::create_directory(workspace.top + "/bin");
    programs.push_back("sh");
    for (auto& name : programs) {
      bool found = false;
      for (auto directory : {"/usr/bin/", "/bin/", "/usr/local/bin/"}) {
        if (found || !fs::exists(directory + name)) continue;
        fs::create_symlink(fs::canonical(directory + name), workspace.top + "/bin/" + name);
        found = true;
      }
      INFO(name);
      REQUIRE(found);
    }
    workspace.searchPath = workspace.top + "/bin";
  }

  kj::String arguments(std::string_view url, kj::StringPtr more) {
    JsonWriter json;
    json.beginObject().field("url", kj::arrayPtr(url.data(), url.size())).endObject();
    auto out = json.finish();
    return more.size() == 0 ? kj::mv(out) : kj::str(out.slice(0, out.size() - 1), ",", more, "}");
  }
  ToolResult fetch(std::string_view url, kj::StringPtr more = "") { return call("webfetch", arguments(url, more)); }
  ToolResult fetchPath(std::string_view path, kj::StringPtr more = "") { return fetch(server.url(path), more); }
  std::string failure(std::string_view path, kj::StringPtr more = "") {
    auto result = fetchPath(path, more);
    CHECK(result.failed);
    return text(result.output);
  }
  // Fails where what was cut off goes on.
  void untilNobodyAsks() {
    for (int i = 0; server.open > 0; ++i) {
      REQUIRE(i < 6000);
      pause();
    }
  }
  void pause() { loop.io.provider->getTimer().afterDelay(10 * kj::MILLISECONDS).wait(loop.io.waitScope); }
};

TEST_CASE("webfetch brings a page by whatever program there is, in one round trip") {
  WebBench bench({GENERATE("curl", "wget", "python3")});
  auto before = bench.workspace.roundTrips;
  auto html = bench.fetchPath("/html");
  CHECK(bench.workspace.roundTrips == before + 1);
  CHECK_FALSE(html.failed);
  CHECK(text(html.output) == "<p>caf\xc3\xa9</p>");
  CHECK(text(html.title) == bench.server.url("/html") + " (text/html; charset=utf-8)");
  CHECK(text(html.metadata) == R"({"status":200,"contentType":"text/html; charset=utf-8","truncated":false})");
  auto& request = bench.server.requests.back();
  CHECK(request.find("Accept: text/markdown;q=1.0, text/x-markdown;q=0.9, ") != std::string::npos);
  CHECK(request.find("\r\nUser-Agent: Mozilla/5.0 ") != std::string::npos);
  CHECK(request.find("\r\nAccept-Language: en-US,en;q=0.9\r\n") != std::string::npos);

  auto image = bench.fetchPath("/image");
  CHECK(text(image.output) == "Image fetched successfully");
  REQUIRE(image.attachments.size() == 1);
  CHECK(text(image.attachments[0].mime) == "image/png");
  CHECK(image.attachments[0].data == kj::ArrayPtr<const kj::byte>(kj::StringPtr("\x89PNG\0\r\n", 7).asBytes()));

  CHECK(text(bench.fetchPath("/bytes").output) == "a\xef\xbf\xbd\r\n");
  CHECK(text(bench.fetchPath("/bytes").title) == bench.server.url("/bytes") + " ()");
  CHECK(text(bench.fetchPath("/empty").output) == "");
  CHECK(text(bench.fetchPath("/moved").output) == "<p>caf\xc3\xa9</p>");
  CHECK(text(bench.fetchPath("/challenge").output) == "welcome");
  auto spoof = bench.fetchPath("/spoof", R"("format":"text")");
  CHECK(text(spoof.output) == "HTTP/1.1 404 No\r\nContent-Type: text/html\r\n\r\nbody");
  CHECK(text(spoof.title) == bench.server.url("/spoof") + " (text/plain)");
  CHECK(bench.server.requests.back().find("Accept: text/plain;q=1.0, ") != std::string::npos);
  CHECK(bench.fetchPath("/largest").output.size() == PAGE_BYTES);
}

TEST_CASE("what is posted arrives as it is, by whatever program there is") {
  WebBench bench({GENERATE("curl", "wget", "python3")});
  ToolContext context(bench.workspace, bench.loop.io.provider->getTimer(), bench.memory, nullptr, nullptr);
  auto json = GENERATE(as<std::string>(), R"({"a":"@/etc/passwd $(touch pwned) 'x' \"y\" caf\u00e9 \n","z":"end"})",
                       R"({"caf)" "\xc3\xa9" R"(":")" + std::string(20'000, 'x') + R"(","z":"end"})");
  FetchRequest request;
  request.url = bench.server.url("/posted");
  request.accept = "application/json, text/event-stream"_kj;
  request.json = kj::heapString(json.data(), json.size());
  auto page = fetchPage(context, request).wait(bench.loop.io.waitScope);
  CHECK(page.status == 200);
  CHECK(page.contentType == "text/echo");
  CHECK(std::string(page.body.asChars().begin(), page.body.size()) == json);
  auto& head = bench.server.requests.back();
  CHECK(head.starts_with("POST /posted HTTP/1.1\r\n"));
  CHECK(head.find("\r\nContent-Type: application/json\r\n") != std::string::npos);
  CHECK(head.find("\r\nAccept: application/json, text/event-stream\r\n") != std::string::npos);
  CHECK(head.find("\r\nUser-Agent: opencode\r\n") != std::string::npos);

  request.url = "http://127.0.0.1:1/";
  try {
    fetchPage(context, request).wait(bench.loop.io.waitScope);
    FAIL("nobody is there");
  } catch (kj::Exception& e) {
    CHECK(std::string(textOf(e).cStr()).starts_with("Transport error (POST http://127.0.0.1:1/): "));
  }
}

TEST_CASE("what goes wrong with a page is said in OpenCode's words") {
  WebBench bench({GENERATE("curl", "wget", "python3")});
  auto& server = bench.server;
  CHECK(bench.failure("/missing") == "StatusCode: non 2xx status code (404 GET " + server.url("/missing") + ")");
  CHECK(bench.failure("/unchanged") == "StatusCode: non 2xx status code (304 GET " + server.url("/unchanged") + ")");
  CHECK(bench.failure("/announced") == "Response too large (exceeds 5MB limit)");
  CHECK(bench.failure("/endless") == "Response too large (exceeds 5MB limit)");
  CHECK(bench.failure("/endless-404") == "StatusCode: non 2xx status code (404 GET " + server.url("/endless-404") + ")");
  CHECK(bench.failure("/silent", R"("timeout":0.2)") == "Request timed out");
  CHECK(bench.failure("/stalled", R"("timeout":0.2)") == "Request timed out");
  for (auto path : {"/loop", "/to-file", "/to-ftp", "/short", "/garbage"}) {
    INFO(path);
    CHECK(bench.failure(path).starts_with("Transport error (GET " + server.url(path) + ")"));
  }
  auto asked = server.requests.size();
  bench.failure("/loop");
  CHECK(server.requests.size() - asked <= FETCH_REDIRECTS + 1);
  auto nobody = bench.fetch("http://127.0.0.1:1/");
  CHECK(nobody.failed);
  CHECK(text(nobody.output).starts_with("Transport error (GET http://127.0.0.1:1/): "));
  // Whatever was cut off does not go on.
  bench.untilNobodyAsks();
}

TEST_CASE("an address is data") {
  WebBench bench({GENERATE("curl", "wget", "python3")});
  for (auto [path, asked] : std::initializer_list<std::pair<std::string, std::string>>{
           {"/$(touch pwned)`touch pwned`;touch${IFS}pwned'\"", "/$(touch%20pwned)%60touch%20pwned%60;touch$%7BIFS%7Dpwned'%22"},
           {"/a b\xc3\xa9?x=\n[2-3]#fragment", "/a%20b%C3%A9?x=[2-3]"},
           {"/\r\nX-Injected: 1\r\n\r\n", "/X-Injected:%201"},
           {"/%00%0d%0aX-Injected:1", "/%00%0d%0aX-Injected:1"},
           {"/--output=pwned\\-o", "/--output=pwned/-o"}}) {
    INFO(path);
    auto result = bench.fetchPath(path);
    INFO(text(result.output));
    CHECK_FALSE(result.failed);
    REQUIRE_FALSE(bench.server.requests.empty());
    CHECK(bench.server.requests.back().starts_with("GET " + asked + " HTTP/1.1\r\n"));
    CHECK(bench.server.requests.back().find("\nX-Injected") == std::string::npos);
    CHECK(bench.workspace.get("pwned") == nullptr);
  }
}

TEST_CASE("dropping a webfetch ends the request") {
  WebBench bench({GENERATE("curl", "wget", "python3")});
  auto url = bench.server.url("/silent");
  {
    kj::Promise<ToolResult> call = bench.toolbox->call("webfetch", bench.arguments(url, R"("timeout":120)"), bench.ui);
    while (bench.server.requests.empty()) {
      REQUIRE_FALSE(call.poll(bench.loop.io.waitScope));
      bench.pause();
    }
    CHECK(bench.server.open == 1);
  }
  bench.untilNobodyAsks();
}

TEST_CASE("where nothing can fetch, the answer names what is missing") {
  WebBench bench;
  CHECK(bench.failure("/html") ==
        "Nothing in the sandbox can fetch: it has neither curl nor GNU wget nor python3. Install one of them.");
  CHECK(bench.server.requests.empty());
  // Busybox has a wget that is not GNU's.
  fs::create_symlink("/bin/busybox", bench.workspace.top + "/bin/wget");
  CHECK(bench.failure("/html").starts_with("Nothing in the sandbox can fetch: "));
}

TEST_CASE("webfetch asks before it fetches, and only for what OpenCode would fetch") {
  WebBench bench({"curl"});
  bench.ui.refusal = "No.";
  auto url = bench.server.url("/html");
  CHECK(bench.failure("/html", R"("timeout":2.5,"format":"html")") == "No.");
  REQUIRE(bench.ui.asked.size() == 1);
  CHECK(bench.ui.asked[0].permission == "webfetch");
  CHECK(bench.ui.asked[0].patterns == std::vector{url});
  CHECK(bench.ui.asked[0].always == std::vector<std::string>{"*"});
  CHECK(bench.ui.asked[0].metadata == R"({"url":")" + url + R"(","format":"html","timeout":2.5})");
  CHECK(bench.server.requests.empty());

  bench.ui.refusal = "";
  for (auto other : {"file:///etc/passwd", "ftp://127.0.0.1/", "-o/tmp/x", "HTTP://127.0.0.1/", ""}) {
    auto result = bench.fetch(other);
    CHECK(result.failed);
    CHECK(text(result.output) == "URL must start with http:// or https://");
  }
  CHECK(bench.ui.asked.size() == 1);
  CHECK(text(bench.fetch("http://").output) == "InvalidUrl error (GET http://)");
  CHECK(text(bench.fetch("http://[bad/").output) == "InvalidUrl error (GET http://[bad/)");
  CHECK(bench.failure("/html", R"("timeout":0)") == "Request timed out");
  CHECK(bench.failure("/html", R"("timeout":-1)") == "Request timed out");
  CHECK(bench.failure("/html", R"("format":"x")") ==
        "The webfetch tool was called with invalid arguments: SchemaError(Expected \"text\" | \"markdown\" | \"html\", got "
        "\"x\"\n  at [\"format\"]).\nPlease rewrite the input so it satisfies the expected schema.");
  CHECK(bench.failure("/html", R"("timeout":"1")") ==
        "The webfetch tool was called with invalid arguments: SchemaError(Expected number | undefined, got \"1\"\n  at "
        "[\"timeout\"]).\nPlease rewrite the input so it satisfies the expected schema.");
  CHECK(bench.server.requests.empty());
}

TEST_CASE("of several answers the last one counts, and what is no answer is told from one") {
  auto parse = [](std::string_view output) {
    return parseAnswers(kj::arrayPtr(output.data(), output.size()).asBytes());
  };
  auto page = KJ_ASSERT_NONNULL(parse("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-type: a/b\r\n\r\n"
                                      "HTTP/2 200 \r\nserver\r\n\r\nHTTP/1.1 500 Oops\r\n\r\n"));
  CHECK(page.status == 200);
  CHECK(page.contentType == "");
  CHECK(kj::heapString(page.body.asChars()) == "HTTP/1.1 500 Oops\r\n\r\n");
  CHECK(KJ_ASSERT_NONNULL(parse("HTTP/1.1 302 Found\nLocation: /x\n\nhello")).status == 302);
  CHECK(KJ_ASSERT_NONNULL(parse("HTTP/1.1 302 Found\n\nHTTP/1.1 200 OK\n\n")).status == 302);
  for (auto output : {"", "x", "HTTP/", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nA: b\r\n", "HTTP/1.1 2x0 OK\n\n", "HTTP/1.1\n\n",
                      "HTTP/1.1 20\n\n"}) {
    INFO(output);
    CHECK(parse(output) == nullptr);
  }
}

}  // namespace
}  // namespace sandbridge::test
