// The data plane: who is addressed, what passes, what is woken, and what a broken sandbox looks like from outside.

#include "localcloud/cloud-fixture.h"

#include <kj/encoding.h>

namespace sandbridge::localcloud::test {
namespace {

using kj::HttpMethod;
using Response = kj::HttpService::Response;

kj::Promise<void> answer(Response& response, const kj::HttpHeaderTable& table, unsigned status, kj::String text) {
  kj::HttpHeaders headers(table);
  headers.set(kj::HttpHeaderId::CONTENT_TYPE, "text/plain");
  auto stream = response.send(status, "Said So", headers, text.size());
  auto promise = stream->write(text.begin(), text.size());
  return promise.attach(kj::mv(stream), kj::mv(text));
}

TEST_CASE("a sandbox is addressed by id or name, by Host or by header") {
  Cloud cloud;
  auto id = cloud.create("probe");
  CHECK(cloud.inside(id, HttpMethod::GET, "/api/v1/info").text("box") == id);
  CHECK(cloud.inside("probe", HttpMethod::GET, "/api/v1/info").text("box") == id);
  CHECK(cloud.inside("PROBE", HttpMethod::GET, "/api/v1/info").text("box") == id);
  auto port = ":" + std::to_string(cloud.port());
  CHECK(cloud.call(HttpMethod::GET, "/api/v1/info", "", {"probe.local" + port, {}}).text("box") == id);
  for (auto& value: {id, std::string("probe")}) {
    CHECK(cloud.call(HttpMethod::GET, "/api/v1/info", "", {"localhost", {{"X-Tensorlake-Sandbox-Id", value}}})
              .text("box") == id);
  }
  auto reply = cloud.get("/api/v1/info");
  CHECK(reply.status == 400);
  CHECK(reply.code() == "MISSING_SANDBOX_ID");
  reply = cloud.inside("nobody", HttpMethod::GET, "/api/v1/info");
  CHECK(reply.status == 404);
  CHECK(reply.code() == "SANDBOX_NOT_FOUND");
}

TEST_CASE("path, query and body arrive in the sandbox as they were sent; credentials do not") {
  Cloud cloud(kj::str("sesame"));
  std::string seen;
  cloud.machine.daemon = [&](HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                             kj::AsyncInputStream& body, Response& response) -> kj::Promise<void> {
    seen = kj::str(method, ' ', url, '\n', headers).cStr();
    return body.readAllText().then([&](kj::String text) {
      seen += text.cStr();
      return answer(response, *cloud.machine.daemonTable, 201, kj::str("made"));
    });
  };
  Options key{"127.0.0.1", {{"Authorization", "Bearer sesame"}}};
  auto id = cloud.call(HttpMethod::POST, "/sandboxes", R"({"name":"probe"})", key).text("sandbox_id");
  auto reply = cloud.call(HttpMethod::PUT, "/api/v1/files?path=%2Ftmp%2Fa+b%2Bc", "the body",
                          {"probe.local", {{"Authorization", "Bearer sesame"}, {"Cookie", "c"},
                                           {"X-Tensorlake-Sandbox-Id", id}, {"Content-Type", "text/x"}}});
  CHECK(reply.status == 201);
  CHECK(reply.body == "made");
  CHECK(reply.contentType == "text/plain");
  CHECK(seen.find("PUT /api/v1/files?path=%2Ftmp%2Fa+b%2Bc\n") == 0);
  CHECK(seen.find("text/x") != std::string::npos);
  CHECK(seen.find("the body") != std::string::npos);
  CHECK(seen.find("sesame") == std::string::npos);
  CHECK(seen.find("Cookie") == std::string::npos);
}

TEST_CASE("a body without a length is 411, as TensorLake's front answers") {
  Cloud cloud;
  cloud.create("probe");
  auto request = [&](kj::StringPtr line) {
    auto address = cloud.io.provider->getNetwork().parseAddress(kj::str("127.0.0.1:", cloud.port())).wait(cloud.io.waitScope);
    auto stream = address->connect().wait(cloud.io.waitScope);
    auto text = kj::str(line, " HTTP/1.1\r\nHost: probe.local\r\nConnection: close\r\n\r\n");
    stream->write(text.begin(), text.size()).wait(cloud.io.waitScope);
    return std::string(stream->readAllText().wait(cloud.io.waitScope).cStr());
  };
  CHECK(request("PUT /api/v1/files?path=%2Ftmp%2Fa").find("HTTP/1.1 411 ") == 0);
  CHECK(request("POST /api/v1/processes/1/stdin/close").find("HTTP/1.1 411 ") == 0);
  CHECK(request("GET /api/v1/files?path=%2Ftmp%2Fa").find("HTTP/1.1 200 ") == 0);
  CHECK(cloud.inside("probe", HttpMethod::PUT, "/api/v1/files?path=%2Ftmp%2Fa").status == 200);  // length 0
}

TEST_CASE("a suspended sandbox is woken by traffic, but not by asking after its health") {
  Cloud cloud;
  auto id = cloud.create("probe");
  cloud.post("/sandboxes/probe/suspend");
  cloud.await(id, "suspended");
  auto health = cloud.inside("probe", HttpMethod::GET, "/api/v1/health");
  CHECK(health.status == 400);
  CHECK(health.code() == "SANDBOX_NOT_RUNNING");
  CHECK(health.text("error").find("suspended") != std::string::npos);
  CHECK(cloud.statusOf(id) == "suspended");

  // Both wait for the one wake.
  auto one = cloud.send(HttpMethod::GET, "/api/v1/info", "", {"probe.local", {}});
  auto two = cloud.send(HttpMethod::GET, "/api/v1/info", "", {"probe.local", {}});
  CHECK(one.wait(cloud.io.waitScope).status == 200);
  CHECK(two.wait(cloud.io.waitScope).status == 200);
  CHECK(cloud.statusOf(id) == "running");
  CHECK(cloud.inside("probe", HttpMethod::GET, "/api/v1/health").status == 200);
}

TEST_CASE("a wake that fails is 503, safe to repeat, with the reason") {
  Cloud cloud;
  auto id = cloud.create("probe");
  cloud.post("/sandboxes/probe/suspend");
  cloud.await(id, "suspended");
  cloud.machine.failThaw = true;
  auto reply = cloud.inside("probe", HttpMethod::GET, "/api/v1/info");
  CHECK(reply.status == 503);
  CHECK(reply.code() == "SANDBOX_NOT_READY");
  CHECK(reply.text("error").find("cannot be thawed") != std::string::npos);
  CHECK(cloud.statusOf(id) == "suspended");
  cloud.machine.failThaw = false;
  CHECK(cloud.inside("probe", HttpMethod::GET, "/api/v1/info").status == 200);
}

TEST_CASE("a terminated sandbox refuses traffic") {
  Cloud cloud;
  auto id = cloud.create("probe");
  cloud.call(HttpMethod::DELETE, "/sandboxes/probe");
  auto reply = cloud.inside(id, HttpMethod::GET, "/api/v1/info");
  CHECK(reply.status == 400);
  CHECK(reply.code() == "SANDBOX_NOT_RUNNING");
  CHECK(reply.text("error").find("terminated") != std::string::npos);
  CHECK(cloud.inside("probe", HttpMethod::GET, "/api/v1/info").status == 404);
}

TEST_CASE("a daemon that cannot be reached is 502, one that hangs up is 502 too") {
  Cloud cloud;
  cloud.create("probe");
  cloud.machine.deafDaemon = true;
  auto reply = cloud.inside("probe", HttpMethod::GET, "/api/v1/info");
  CHECK(reply.status == 502);
  CHECK(reply.code() == "CONNECTION_REFUSED");

  cloud.machine.deafDaemon = false;
  cloud.machine.daemon = [](HttpMethod, kj::StringPtr, const kj::HttpHeaders&, kj::AsyncInputStream&,
                            Response&) -> kj::Promise<void> {
    return KJ_EXCEPTION(DISCONNECTED, "hangs up");
  };
  reply = cloud.inside("probe", HttpMethod::GET, "/api/v1/info");
  CHECK(reply.status == 502);
  CHECK(reply.code() == "CONNECTION_CLOSED");
}

TEST_CASE("events of a stream arrive one by one while it is open, and keep the sandbox awake") {
  Cloud cloud;
  auto id = cloud.create("probe", R"(,"timeout_secs":3)");
  auto& timer = cloud.io.provider->getTimer();
  kj::Own<kj::PromiseFulfiller<void>> goOn;
  cloud.machine.daemon = [&](HttpMethod, kj::StringPtr, const kj::HttpHeaders&, kj::AsyncInputStream&,
                             Response& response) -> kj::Promise<void> {
    kj::HttpHeaders headers(*cloud.machine.daemonTable);
    headers.set(kj::HttpHeaderId::CONTENT_TYPE, "text/event-stream");
    auto stream = response.send(200, "OK", headers);
    for (int i = 0; i < 12; i++) {
      auto paf = kj::newPromiseAndFulfiller<void>();
      goOn = kj::mv(paf.fulfiller);
      co_await stream->write("data: {}\n\n", 10);
      co_await paf.promise;
    }
  };
  auto address = cloud.io.provider->getNetwork().parseAddress(kj::str("127.0.0.1:", cloud.port())).wait(cloud.io.waitScope);
  auto connection = address->connect().wait(cloud.io.waitScope);
  kj::HttpHeaderTable table;
  auto client = kj::newHttpClient(table, *connection);
  kj::HttpHeaders headers(table);
  headers.set(kj::HttpHeaderId::HOST, "probe.local");
  auto request = client->request(HttpMethod::POST, "/api/v1/processes/run", headers, uint64_t(0));
  request.body = nullptr;
  auto response = request.response.wait(cloud.io.waitScope);
  CHECK(response.headers->get(kj::HttpHeaderId::CONTENT_TYPE).orDefault("") == "text/event-stream");
  for (int i = 0; i < 12; i++) {
    char event[10];
    response.body->read(event, 10).wait(cloud.io.waitScope);  // while the daemon waits
    CHECK(std::string(event, 10) == "data: {}\n\n");
    // Twelve times 300 ms of traffic under an idle limit of three seconds.
    timer.afterDelay(300 * kj::MILLISECONDS).wait(cloud.io.waitScope);
    goOn->fulfill();
  }
  CHECK(response.body->readAllText().wait(cloud.io.waitScope) == "");
  CHECK(cloud.statusOf(id) == "running");
}

TEST_CASE("a large download waits for a slow reader instead of filling memory, and so does an upload") {
  Cloud cloud;
  cloud.create("probe");
  constexpr uint64_t SIZE = 1ull << 30;
  uint64_t produced = 0;
  uint64_t consumed = 0;
  bool take = false;
  auto block = kj::heapArray<kj::byte>(1 << 16);
  memset(block.begin(), 7, block.size());
  cloud.machine.daemon = [&](HttpMethod method, kj::StringPtr, const kj::HttpHeaders&, kj::AsyncInputStream& body,
                             Response& response) -> kj::Promise<void> {
    if (method == HttpMethod::GET) {
      kj::HttpHeaders headers(*cloud.machine.daemonTable);
      auto stream = response.send(200, "OK", headers, SIZE);
      while (produced < SIZE) {
        co_await stream->write(block.begin(), block.size());
        produced += block.size();
      }
    } else {
      auto buffer = kj::heapArray<kj::byte>(1 << 16);
      while (!take) co_await cloud.io.provider->getTimer().afterDelay(5 * kj::MILLISECONDS);
      for (;;) {
        auto n = co_await body.tryRead(buffer.begin(), 1, buffer.size());
        if (n == 0) break;
        consumed += n;
      }
      co_await answer(response, *cloud.machine.daemonTable, 200, kj::str("done"));
    }
  };
  auto& timer = cloud.io.provider->getTimer();
  auto address = cloud.io.provider->getNetwork().parseAddress(kj::str("127.0.0.1:", cloud.port())).wait(cloud.io.waitScope);
  auto connection = address->connect().wait(cloud.io.waitScope);
  kj::HttpHeaderTable table;
  auto client = kj::newHttpClient(table, *connection);
  kj::HttpHeaders headers(table);
  headers.set(kj::HttpHeaderId::HOST, "probe.local");
  {
    auto request = client->request(HttpMethod::GET, "/api/v1/files?path=%2Fbig", headers);
    auto response = request.response.wait(cloud.io.waitScope);
    timer.afterDelay(300 * kj::MILLISECONDS).wait(cloud.io.waitScope);
    // Socket buffers take some megabytes; a proxy that does not wait takes all of it.
    CHECK(produced < SIZE / 16);
    uint64_t got = 0;
    auto buffer = kj::heapArray<kj::byte>(1 << 20);
    while (auto n = response.body->tryRead(buffer.begin(), 1, buffer.size()).wait(cloud.io.waitScope)) got += n;
    CHECK(got == SIZE);
  }
  {
    auto request = client->request(HttpMethod::PUT, "/api/v1/files?path=%2Fbig", headers, SIZE);
    uint64_t sent = 0;
    auto sending = [](auto& body, auto& block, auto& sent) -> kj::Promise<void> {
      while (sent < SIZE) {
        co_await body->write(block.begin(), block.size());
        sent += block.size();
      }
      body = nullptr;
    }(request.body, block, sent);
    sending = sending.eagerlyEvaluate(nullptr);
    timer.afterDelay(300 * kj::MILLISECONDS).wait(cloud.io.waitScope);
    CHECK(sent < SIZE / 16);
    take = true;
    sending.wait(cloud.io.waitScope);
    CHECK(request.response.wait(cloud.io.waitScope).statusCode == 200);
    CHECK(consumed == SIZE);
  }
}

TEST_CASE("when the client hangs up, its request in the sandbox is dropped") {
  Cloud cloud;
  cloud.create("probe");
  cloud.machine.daemon = [&](HttpMethod, kj::StringPtr, const kj::HttpHeaders&, kj::AsyncInputStream&,
                             Response& response) -> kj::Promise<void> {
    kj::HttpHeaders headers(*cloud.machine.daemonTable);
    auto stream = response.send(200, "OK", headers);
    // The library's server does not notice by itself that its peer is gone, the stream does.
    for (;;) {
      co_await stream->write(":\n", 2);
      co_await cloud.io.provider->getTimer().afterDelay(10 * kj::MILLISECONDS);
    }
  };
  {
    auto request = cloud.send(HttpMethod::GET, "/api/v1/processes/1/output/follow", "", {"probe.local", {}});
    cloud.until([&]() { return cloud.machine.requestsUnderWay == 1; });
  }
  cloud.until([&]() { return cloud.machine.requestsUnderWay == 0; });
}

TEST_CASE("a request under way is cut when its sandbox is suspended or ends, not left hanging") {
  Cloud cloud;
  auto id = cloud.create("probe");
  cloud.machine.daemon = [&](HttpMethod, kj::StringPtr url, const kj::HttpHeaders&, kj::AsyncInputStream&,
                             Response& response) -> kj::Promise<void> {
    if (!url.endsWith("follow")) return kj::NEVER_DONE;
    kj::HttpHeaders headers(*cloud.machine.daemonTable);
    auto stream = response.send(200, "OK", headers);
    auto promise = stream->write("data: {}\n\n", 10);
    return promise.then([]() -> kj::Promise<void> { return kj::NEVER_DONE; }).attach(kj::mv(stream));
  };
  bool remove = GENERATE(false, true);
  auto unanswered = cloud.send(HttpMethod::GET, "/api/v1/info", "", {"probe.local", {}});
  auto streaming = cloud.send(HttpMethod::GET, "/follow", "", {"probe.local", {}});
  cloud.until([&]() { return cloud.machine.requestsUnderWay == 2; });
  if (remove) {
    CHECK(cloud.call(HttpMethod::DELETE, "/sandboxes/probe").status == 200);
  } else {
    CHECK(cloud.post("/sandboxes/probe/suspend").status == 202);
  }
  auto reply = unanswered.wait(cloud.io.waitScope);
  CHECK(reply.status == 502);
  CHECK(reply.code() == "CONNECTION_CLOSED");
  CHECK(reply.text("error").find(remove ? "terminated" : "suspended") != std::string::npos);
  CHECK_THROWS(streaming.wait(cloud.io.waitScope));  // an end that is no clean end
}

TEST_CASE("an answer that comes before the body has been taken gets through") {
  Cloud cloud;
  cloud.create("probe");
  cloud.machine.daemon = [&](HttpMethod, kj::StringPtr, const kj::HttpHeaders&, kj::AsyncInputStream&,
                             Response& response) -> kj::Promise<void> {
    return answer(response, *cloud.machine.daemonTable, 400, kj::str("STDIN_NOT_WRITABLE"));
  };
  auto reply = cloud.inside("probe", HttpMethod::POST, "/api/v1/processes/1/stdin", std::string(40000, 'x'));
  CHECK(reply.status == 400);
  CHECK(reply.body == "STDIN_NOT_WRITABLE");
}

TEST_CASE("the entrypoint is started through the daemon, and its failure ends the sandbox") {
  Cloud cloud;
  std::string seen;
  unsigned status = 201;
  cloud.machine.daemon = [&](HttpMethod method, kj::StringPtr url, const kj::HttpHeaders&,
                             kj::AsyncInputStream& body, Response& response) -> kj::Promise<void> {
    seen = kj::str(method, ' ', url, ' ').cStr();
    return body.readAllText().then([&](kj::String text) {
      seen += text.cStr();
      return answer(response, *cloud.machine.daemonTable, status, kj::str("no such command"));
    });
  };
  cloud.create("probe", R"(,"entrypoint":["sleep","300"])");
  CHECK(seen == R"(POST /api/v1/processes {"command":"sleep","args":["300"]})");
  status = 400;
  auto reply = cloud.post("/sandboxes", R"({"entrypoint":["nothing"]})");
  CHECK(reply.text("status") == "terminated");
  CHECK(reply.text("error_details").find("no such command") != std::string::npos);
  cloud.until([&]() { return cloud.machine.boxes.size() == 1; });
}

}  // namespace
}  // namespace sandbridge::localcloud::test
