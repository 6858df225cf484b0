// The parts of the client that do no I/O: event streams, retry policy, configuration, JSON.
#include "base/error.h"
#include "tensorlake/config.h"
#include "tensorlake/event-stream.h"
#include "tensorlake/messages.h"
#include "tensorlake/retry.h"
#include "tensorlake/transport.h"

#include <kj/debug.h>
#include <catch2/catch.hpp>

#include <map>
#include <string>

using namespace sandbridge;
using namespace sandbridge::tensorlake;

namespace {

kj::String parseAll(kj::StringPtr text, size_t step) {
  EventStreamParser parser;
  kj::Vector<StreamEvent> events;
  for (size_t i = 0; i < text.size(); i += step) {
    parser.feed(text.asBytes().slice(i, kj::min(i + step, text.size())), events);
  }
  return kj::strArray(
      KJ_MAP(e, events) { return kj::str("[", e.name, ":", e.data, "]"); }, "");
}

ErrorKind kindThrown(kj::Function<void()> action) {
  try {
    action();
  } catch (kj::Exception& e) {
    return kindOf(e);
  }
  throw std::runtime_error("nothing was thrown");
}

Config configured(std::map<std::string, std::string> variables) {
  return configFromEnvironment([&](kj::StringPtr name) -> kj::Maybe<kj::StringPtr> {
    auto found = variables.find(name.cStr());
    if (found == variables.end()) return nullptr;
    return kj::StringPtr(found->second.c_str(), found->second.size());
  });
}

Outcome answered(unsigned status, kj::StringPtr code = nullptr) {
  return Outcome{true, status, code, nullptr};
}

bool retried(Effect effect, const Outcome& outcome) {
  return retryDelay(effect, outcome, 0, 0 * kj::SECONDS, 0.5) != nullptr;
}

}  // namespace

TEST_CASE("an event stream reads the same wherever its chunks are cut") {
  kj::StringPtr text =
      "\xef\xbb\xbf"
      "data: {\"pid\":1}\n\n: comment\r\nevent: output\r\ndata: a\r\ndata:b\r\n\r\n"
      "data\n\nid: 7\nretry: 1\n\nevent: eof\rdata: {}\r\rdata: cut off";
  kj::StringPtr expected = "[:{\"pid\":1}][output:a\nb][:][eof:{}]";
  for (size_t step = 1; step <= text.size(); ++step) CHECK(parseAll(text, step) == expected);
}

TEST_CASE("an event stream keeps only one space off its data, and an event without data is none") {
  CHECK(parseAll("data:  two\n\n", 3) == "[: two]");
  CHECK(parseAll("event: x\n\ndata: y\n\n", 3) == "[:y]");
}

TEST_CASE("an endless line or event is refused, not stored") {
  auto big = kj::heapArray<kj::byte>(1u << 20);
  memset(big.begin(), 'x', big.size());
  EventStreamParser parser;
  kj::Vector<StreamEvent> events;
  CHECK(kindThrown([&]() {
          for (int i = 0; i < 5; ++i) parser.feed(big, events);
        }) == ErrorKind::FAILED);
  EventStreamParser lines;
  CHECK(kindThrown([&]() {
          for (int i = 0; i < 9; ++i) {
            lines.feed("data:"_kj.asBytes(), events);
            lines.feed(big, events);
            lines.feed("\n"_kj.asBytes(), events);
          }
        }) == ErrorKind::FAILED);
}

TEST_CASE("what never arrived is sent again, whatever it does") {
  for (auto effect : {Effect::IDEMPOTENT, Effect::ONCE}) {
    CHECK(retried(effect, Outcome{false, 0, nullptr, nullptr}));
    for (auto code : {"SANDBOX_UPSTREAM_ERROR", "SANDBOX_NOT_READY", "SANDBOX_UNREACHABLE",
                      "AUTH_SERVICE_UNAVAILABLE"}) {
      CHECK(retried(effect, answered(503, code)));
      CHECK(undelivered(answered(503, code)));
    }
    CHECK(retried(effect, answered(429)));
    CHECK(undelivered(answered(429)));
  }
}

TEST_CASE("what may have been done is sent again only if twice is as good as once") {
  for (unsigned status : {0u, 502u, 503u, 504u}) {
    CHECK(retried(Effect::IDEMPOTENT, answered(status)));
    CHECK_FALSE(retried(Effect::ONCE, answered(status)));
  }
  for (unsigned status : {400u, 401u, 403u, 404u, 409u, 411u, 500u, 501u}) {
    CHECK_FALSE(retried(Effect::IDEMPOTENT, answered(status)));
    CHECK_FALSE(retried(Effect::ONCE, answered(status)));
  }
}

TEST_CASE("a sandbox that does not run is not waited for: it has to be resumed") {
  CHECK_FALSE(retried(Effect::IDEMPOTENT, answered(503, "SANDBOX_NOT_RUNNING")));
  CHECK_FALSE(retried(Effect::IDEMPOTENT, answered(400, "SANDBOX_NOT_RUNNING")));
  CHECK(undelivered(answered(400, "SANDBOX_NOT_RUNNING")));
}

TEST_CASE("retry delays grow, have full jitter, and end with the budget") {
  auto delay = [](unsigned attempt, double random) {
    return KJ_ASSERT_NONNULL(
               retryDelay(Effect::IDEMPOTENT, answered(503), attempt, 0 * kj::SECONDS, random)) /
           kj::MILLISECONDS;
  };
  CHECK(delay(0, 0.5) == 50);
  CHECK(delay(3, 0.5) == 400);
  CHECK(delay(3, 0) == 10);
  CHECK(delay(60, 0.5) == 2000);
  CHECK(retryDelay(Effect::IDEMPOTENT, answered(503), 9, RETRY_BUDGET, 0.5) == nullptr);
}

TEST_CASE("the budget holds more attempts than TensorLake's own client makes, and no hail of them") {
  auto attempts = [](double random) {
    auto elapsed = 0 * kj::SECONDS;
    for (unsigned attempt = 0;; ++attempt) {
      auto delay = retryDelay(Effect::IDEMPOTENT, answered(503), attempt, elapsed, random);
      KJ_IF_MAYBE (d, delay) {
        elapsed += *d;
      } else {
        CHECK(elapsed >= 25 * kj::SECONDS);
        return attempt + 1;
      }
    }
  };
  CHECK(attempts(0.99) > 8);
  CHECK(attempts(0.5) > 12);
  CHECK(attempts(0.5) < 30);
}

TEST_CASE("Retry-After is honoured, and given up on when it is beyond the budget") {
  auto outcome = answered(429);
  outcome.retryAfter = parseRetryAfter("7");
  CHECK(KJ_ASSERT_NONNULL(retryDelay(Effect::IDEMPOTENT, outcome, 0, 0 * kj::SECONDS, 0.1)) ==
        7 * kj::SECONDS);
  outcome.retryAfter = parseRetryAfter("31");
  CHECK(retryDelay(Effect::IDEMPOTENT, outcome, 0, 0 * kj::SECONDS, 0.1) == nullptr);
  CHECK(parseRetryAfter("Wed, 21 Oct 2026 07:28:00 GMT") == nullptr);
  CHECK(parseRetryAfter("-1") == nullptr);
  CHECK(parseRetryAfter("") == nullptr);
  CHECK(KJ_ASSERT_NONNULL(parseRetryAfter("999999999")) == 86400 * kj::SECONDS);
}

TEST_CASE("lifecycle calls go where TensorLake's own clients send them") {
  CHECK(lifecycleUrl(configured({})) == "https://sandbox.tensorlake.ai");
  CHECK(lifecycleUrl(configured({{"TENSORLAKE_API_URL", "https://api.example.com:8443/"}})) ==
        "https://sandbox.example.com:8443");
  CHECK(lifecycleUrl(configured(
            {{"TENSORLAKE_API_URL", "http://127.0.0.1:80/x/"}, {"INDEXIFY_NAMESPACE", "team"}})) ==
        "http://127.0.0.1:80/x/v1/namespaces/team");
}

TEST_CASE("an API URL that is neither api.* nor loopback is an error, never production") {
  for (auto url :
       {"http://127.0.0.2", "http://[::1]:80", "https://tl.example.com", "https://tensorlake.ai",
        "https://sandbox.tensorlake.ai", "https://localhost.example.com", "ftp://api.tensorlake.ai",
        "api.tensorlake.ai", "https://user@api.tensorlake.ai", "https://api.tensorlake.ai?x",
        "https://evil.example\\.api.tensorlake.ai", "https:///x",
        "https://api.tensorlake.ai:99x"}) {
    INFO(url);
    CHECK(kindThrown([&]() {
            configured({{"TENSORLAKE_API_URL", url}});
          }) == ErrorKind::INVALID_ARGUMENT);
  }
}

TEST_CASE("the key goes only to hosts under the API's own, encrypted, or stays on this machine") {
  auto may = [](kj::StringPtr api, kj::StringPtr url, kj::StringPtr proxy = nullptr) {
    Config config;
    config.apiUrl = kj::heapString(api);
    config.sandboxProxyUrl = kj::heapString(proxy);
    return mayHaveKey(config, parseUrl(url));
  };
  auto cloud = "https://api.tensorlake.ai"_kj;
  CHECK(may(cloud, "https://box1.sandbox.tensorlake.ai"));
  CHECK(may(cloud, "https://box1.sandbox.gcp-use4.tensorlake.ai:8443/path"));
  CHECK(may(cloud, "https://BOX1.Sandbox.TensorLake.AI"));
  for (auto hostile : {"https://evil.example", "https://eviltensorlake.ai", "https://tensorlake.ai.evil.example",
                       "http://box1.sandbox.tensorlake.ai", "http://127.0.0.1:80", "https://127.0.0.1",
                       "http://localhost", "https://tensorlake.ai.", "https://169.254.169.254"}) {
    INFO(hostile);
    CHECK_FALSE(may(cloud, hostile));
  }
  auto local = "http://127.0.0.1:9900"_kj;
  for (auto here : {"http://127.0.0.1:9900", "http://localhost:1", "http://127.0.0.2", "http://[::1]:80"}) {
    INFO(here);
    CHECK(may(local, here));
  }
  for (auto hostile : {"https://evil.example", "http://127.evil.example", "http://127.0.0.1.evil.example",
                       "http://localhost.evil.example", "http://10.0.0.1", "https://sandbox.tensorlake.ai"}) {
    INFO(hostile);
    CHECK_FALSE(may(local, hostile));
  }
  // What the operator names may have it, and nothing beside it.
  CHECK(may(cloud, "https://proxy.example:444/x", "https://proxy.example:444"));
  CHECK_FALSE(may(cloud, "https://proxy.example:445", "https://proxy.example:444"));
  CHECK_FALSE(may(cloud, "http://proxy.example:444", "https://proxy.example:444"));
}

TEST_CASE("an address without encryption is refused when it is configured") {
  for (auto name : {"TENSORLAKE_API_URL", "TENSORLAKE_SANDBOX_PROXY_URL"}) {
    CHECK(kindThrown([&]() {
            configured({{name, "http://api.example.com"}});
          }) == ErrorKind::INVALID_ARGUMENT);
  }
  CHECK(configured({{"TENSORLAKE_SANDBOX_PROXY_URL", "http://localhost:9443"}}).sandboxProxyUrl ==
        "http://localhost:9443");
}

TEST_CASE("configuration comes from TensorLake's own variables, with their defaults") {
  auto defaults = configured({});
  CHECK(defaults.apiKey == "");
  CHECK(defaults.cpus == 2);
  CHECK(defaults.memoryMb == 4096);
  CHECK(defaults.diskMb == 10240);
  auto set = configured({{"TENSORLAKE_API_KEY", "key"},
                         {"TENSORLAKE_PAT", "pat"},
                         {"TENSORLAKE_CPUS", "0.5"},
                         {"TENSORLAKE_MEMORY_MB", "512"},
                         {"TENSORLAKE_DISK_MB", "20480"},
                         {"TENSORLAKE_IMAGE", "img"}});
  CHECK(set.apiKey == "key");
  CHECK(set.cpus == 0.5);
  CHECK(set.memoryMb == 512);
  CHECK(set.diskMb == 20480);
  CHECK(set.image == "img");
  CHECK(configured({{"TENSORLAKE_PAT", "pat"}}).apiKey == "pat");
}

TEST_CASE(
    "a key with a line break, or a size that is no number, is refused without repeating the key") {
  try {
    configured({{"TENSORLAKE_API_KEY", "secret\r\nX-Evil: 1"}});
    FAIL("accepted");
  } catch (kj::Exception& e) {
    CHECK(kindOf(e) == ErrorKind::INVALID_ARGUMENT);
    CHECK(strstr(e.getDescription().cStr(), "secret") == nullptr);
  }
  for (auto value : {"two", "-1", "nan", "1e99", "2x"}) {
    CHECK(kindThrown([&]() {
            configured({{"TENSORLAKE_CPUS", value}});
          }) == ErrorKind::INVALID_ARGUMENT);
  }
}

TEST_CASE("what a creation does not say comes from the configuration") {
  Config config;
  config.image = kj::str("img");
  CreateRequest request;
  request.name = kj::str("n");
  CHECK(toJson(request, config) ==
        "{\"image\":\"img\",\"resources\":{\"cpus\":2.0,\"memory_mb\":4096,\"disk_mb\":10240},"
        "\"name\":\"n\"}");
  request.cpus = 0.5;
  request.timeoutSecs = 60;
  request.image = kj::str("other");
  CHECK(toJson(request, config) ==
        "{\"image\":\"other\",\"resources\":{\"cpus\":0.5,\"memory_mb\":4096,"
        "\"disk_mb\":10240},\"timeout_secs\":60,\"name\":\"n\"}");
}

TEST_CASE("sandboxes are understood by id or sandbox_id; without either they are an error") {
  auto one = parseSandbox(
      "{\"id\":\"a\",\"status\":\"running\",\"sandbox_url\":null,\"created_at\":5}"_kj);
  CHECK(one.id == "a");
  CHECK(one.url == "");
  CHECK(one.createdAt == 5);
  auto two = parseSandbox(
      "{\"sandbox_id\":\"b\",\"status\":\"pending\",\"termination_reason\":\"ImageNotFound\"}"_kj);
  CHECK(two.id == "b");
  CHECK(two.reason == "ImageNotFound");
  for (auto bad : {"", "[]", "{}", "{\"id\":5,\"status\":\"x\"}", "{\"id\":\"a\"}", "<html>"}) {
    CHECK(kindThrown([&]() { parseSandbox(kj::StringPtr(bad)); }) == ErrorKind::FAILED);
  }
}

TEST_CASE("process events: output with and without a time stamp, the end in each of its forms") {
  auto parse = [](kj::StringPtr data, kj::StringPtr name = nullptr) {
    return parseProcessEvent(StreamEvent{kj::heapString(name), kj::heapString(data)});
  };
  auto out = KJ_ASSERT_NONNULL(parse("{\"line\":\"a\\u0000b\",\"stream\":\"stdout\"}"));
  CHECK(out.kind == ProcessEvent::STDOUT_LINE);
  CHECK(out.line == kj::StringPtr("a\0b", 3));
  CHECK(KJ_ASSERT_NONNULL(parse("{\"line\":\"\",\"timestamp\":1,\"stream\":\"stderr\"}")).kind ==
        ProcessEvent::STDERR_LINE);
  CHECK(KJ_ASSERT_NONNULL(parse("{\"handle\":1,\"pid\":42}")).value == 42);
  CHECK(KJ_ASSERT_NONNULL(parse("{\"exit_code\":0,\"signal\":null}")).kind == ProcessEvent::EXITED);
  CHECK(KJ_ASSERT_NONNULL(parse("{\"exit_code\":null,\"signal\":9,\"oom_killed\":true}")).kind ==
        ProcessEvent::SIGNALED);
  // An end that is no success must never look like one.
  for (auto death : {"{\"oom_killed\":true}", "{\"exit_code\":0,\"oom_killed\":true}",
                     "{\"exit_code\":0,\"signal\":9}"}) {
    INFO(death);
    auto event = KJ_ASSERT_NONNULL(parse(death));
    CHECK(event.kind == ProcessEvent::SIGNALED);
    CHECK(event.value == 9);
  }
  CHECK(parse("{\"exit_code\":4294967296}") == nullptr);
  CHECK(KJ_ASSERT_NONNULL(parse("{\"line\":\"a\xff\xfe z\",\"stream\":\"stdout\"}")).line ==
        "a\xef\xbf\xbd\xef\xbf\xbd z");
  CHECK(KJ_ASSERT_NONNULL(parse("{}", "eof")).kind == ProcessEvent::END_OF_LOG);
  CHECK(parse("{\"exit_code\":null,\"signal\":null}") == nullptr);
  CHECK(parse("{\"new\":1}") == nullptr);
  CHECK(parse("5") == nullptr);
  CHECK(kindThrown([&]() { parse("{\"error\":\"boom\"}"); }) == ErrorKind::INTERRUPTED);
  CHECK(kindThrown([&]() { parse("{\"exit_co"); }) == ErrorKind::INTERRUPTED);
}

TEST_CASE("error bodies are one short line, from JSON or plain text") {
  CHECK(parseError("{\"error\":\"no\\nsuch\",\"code\":\"NOT_FOUND\"}"_kj).text == "no such");
  CHECK(parseError("{\"error\":\"x\",\"code\":\"NOT_FOUND\"}"_kj).code == "NOT_FOUND");
  CHECK(parseError("plain \x1b[31m text\n"_kj).text == "plain [31m text");
  CHECK(parseError(kj::str(kj::repeat('x', 5000)).asArray()).text.size() == 500);
  // Each byte becomes a character of three.
  CHECK(parseError(kj::str(kj::repeat('\xff', 5000)).asArray()).text.size() == 498);
}

TEST_CASE("a status that no process can have is not taken for another one") {
  auto parse = [](kj::StringPtr data) { return parseProcessEvent({kj::String(), kj::heapString(data)}); };
  CHECK(parse("{\"exit_code\":4294967296}") == nullptr);
  CHECK(parse("{\"signal\":4294967296}") == nullptr);
  CHECK(parse("{\"pid\":4294967298}") == nullptr);
  CHECK(parse("{\"pid\":-2}") == nullptr);
  auto process = parseProcess("{\"pid\":3,\"status\":\"exited\",\"exit_code\":4294967296}"_kj);
  CHECK(process.exitCode == nullptr);
}

TEST_CASE("what a process died of is never missing from its description") {
  auto dead = parseProcess("{\"pid\":5,\"status\":\"oom_killed\"}"_kj);
  CHECK(KJ_ASSERT_NONNULL(dead.signal) == 9);
  CHECK(dead.exitCode == nullptr);
  auto exited = parseProcess("{\"pid\":5,\"status\":\"exited\",\"exit_code\":3}"_kj);
  CHECK(exited.signal == nullptr);
  CHECK(KJ_ASSERT_NONNULL(exited.exitCode) == 3);
}

TEST_CASE("an error that echoes the key is left out, wherever it is and however long") {
  auto secret = "tl_apiKey_secret"_kj;
  auto holds = [&](kj::StringPtr body) {
    auto error = parseError(body, secret);
    return strstr(error.text.cStr(), "apiKey") != nullptr || strstr(error.code.cStr(), "apiKey") != nullptr;
  };
  CHECK_FALSE(holds("Bearer tl_apiKey_secret"));
  CHECK_FALSE(holds("{\"error\":\"x\",\"code\":\"tl_apiKey_secret\"}"));
  CHECK_FALSE(holds("{\"error\":\"tl_\\u0061piKey_secret\"}"));
  // Cut after 500 bytes, half of it would be left.
  CHECK_FALSE(holds(kj::str(kj::repeat('x', 488), " tl_apiKey_secret")));
}

TEST_CASE("an exception keeps what TensorLake answered, and its text does not show it") {
  auto e = withFailure(makeError(ErrorKind::UNAVAILABLE, "text"), 503, "CODE", false);
  CHECK(failureOf(e).status == 503);
  CHECK(failureOf(e).code == "CODE");
  CHECK_FALSE(failureOf(e).delivered);
  CHECK(textOf(e) == "text");
  CHECK(failureOf(makeError(ErrorKind::FAILED, "x")).status == 0);
}

TEST_CASE("paths and names are percent-encoded byte by byte") {
  CHECK(percentEncode("a b+c/../d%\xc3\xa4?#\n") == "a%20b%2Bc%2F..%2Fd%25%C3%A4%3F%23%0A");
}
