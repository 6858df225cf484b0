// Latency and faults, as a client of the local cloud meets them.

#include "localcloud/cloud-fixture.h"

namespace sandbridge::localcloud::test {
namespace {

using kj::HttpMethod;
using Response = kj::HttpService::Response;

constexpr const char* RUN = "/api/v1/processes/run";

// All bytes until the server closes the connection. `body` of the request is none.
std::string raw(Cloud& cloud, const std::string& line) {
  auto address = cloud.io.provider->getNetwork().parseAddress(kj::str("127.0.0.1:", cloud.port())).wait(cloud.io.waitScope);
  auto stream = address->connect().wait(cloud.io.waitScope);
  auto text = line + " HTTP/1.1\r\nHost: probe.local\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  stream->write(text.data(), text.size()).wait(cloud.io.waitScope);
  return stream->readAllText().wait(cloud.io.waitScope).cStr();
}

// How the server ended a connection, and what it said before.
struct Ending {
  std::string answer;
  bool byRst;
  bool operator==(const Ending&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Ending& ending) {
  return out << (ending.byRst ? "reset after: " : "closed after: ") << ending.answer;
}

Ending ending(Cloud& cloud, const std::string& line) {
  auto address = cloud.io.provider->getNetwork().parseAddress(kj::str("127.0.0.1:", cloud.port())).wait(cloud.io.waitScope);
  auto stream = address->connect().wait(cloud.io.waitScope);
  auto text = line + " HTTP/1.1\r\nHost: " + (line.find("/api/") == std::string::npos ? "localhost" : "probe.local") +
      "\r\nContent-Length: 0\r\n\r\n";
  stream->write(text.data(), text.size()).wait(cloud.io.waitScope);
  Ending result{"", false};
  char buffer[4096];
  try {
    while (auto n = stream->tryRead(buffer, 1, sizeof(buffer)).wait(cloud.io.waitScope)) result.answer.append(buffer, n);
  } catch (kj::Exception& e) {
    result.byRst = e.getType() == kj::Exception::Type::DISCONNECTED;
  }
  return result;
}

std::string bodyOf(const std::string& answer) {
  auto end = answer.find("\r\n\r\n");
  REQUIRE(end != std::string::npos);
  return answer.substr(end + 4);
}

// A daemon that counts what it has carried out, and streams "one", "two", "three" in chunks.
struct Probe : public Cloud {
  Probe() {
    create("probe");
    machine.daemon = [this](HttpMethod, kj::StringPtr, const kj::HttpHeaders&, kj::AsyncInputStream&,
                            Response& response) -> kj::Promise<void> {
      ++effects;
      reached = io.provider->getTimer().now();
      kj::HttpHeaders headers(*machine.daemonTable);
      headers.set(kj::HttpHeaderId::CONTENT_TYPE, "text/event-stream");
      auto stream = response.send(200, "OK", headers);
      for (auto word: {"one", "two", "three"}) co_await stream->write(word, strlen(word));
      ++completed;
    };
  }
  unsigned effects = 0, completed = 0;
  kj::TimePoint reached = kj::origin<kj::TimePoint>();  // when it last was
};

TEST_CASE("an injected status comes instead of the effect, as often as was asked for") {
  Probe cloud;
  cloud.shape({"status=503:SANDBOX_NOT_READY,path=/processes/run,count=2"});
  for (int i = 0; i < 2; i++) {
    auto reply = cloud.inside("probe", HttpMethod::POST, RUN);
    CHECK(reply.status == 503);
    CHECK(reply.code() == "SANDBOX_NOT_READY");
  }
  CHECK(cloud.effects == 0);
  CHECK(cloud.inside("probe", HttpMethod::POST, RUN).body == "onetwothree");
  CHECK(cloud.statusOf("probe") == "running");
}

TEST_CASE("an injected status can come after the effect, and can say when to return") {
  Probe cloud;
  cloud.shape({"status=502,when=after,count=1", "status=429,retry-after=3"});
  auto reply = cloud.inside("probe", HttpMethod::POST, RUN);
  CHECK(reply.status == 502);
  CHECK(reply.contentType == "text/plain");
  CHECK(cloud.completed == 1);
  auto answer = raw(cloud, std::string("POST ") + RUN);
  CHECK(answer.find("HTTP/1.1 429 ") == 0);
  CHECK(answer.find("\r\nRetry-After: 3\r\n") != std::string::npos);
  CHECK(cloud.completed == 1);
}

TEST_CASE("a connection ends without an answer, by reset or closed, before or after the effect") {
  Probe cloud;
  for (std::string kind: {"reset", "close"}) {
    bool byRst = kind == "reset";
    cloud.completed = cloud.effects = 0;
    cloud.shape({kind + "=before,path=/processes/run"});
    CHECK(ending(cloud, std::string("POST ") + RUN) == Ending{"", byRst});
    CHECK(cloud.effects == 0);
    cloud.shape({kind + "=after,path=/processes/run"});
    CHECK(ending(cloud, std::string("POST ") + RUN) == Ending{"", byRst});
    CHECK(cloud.completed == 1);
  }
}

TEST_CASE("a request that hangs has its effect or not, and no answer") {
  Probe cloud;
  cloud.shape({"hang=after,path=/processes/run,count=1", "hang=before,path=/processes/run"});
  for (int i = 0; i < 2; i++) {
    auto request = cloud.send(HttpMethod::POST, RUN, "", {"probe.local", {}});
    auto silence = cloud.io.provider->getTimer().afterDelay(100 * kj::MILLISECONDS).then([]() {
      Reply reply;
      reply.status = 0;
      return reply;
    });
    CHECK(request.exclusiveJoin(kj::mv(silence)).wait(cloud.io.waitScope).status == 0);
    CHECK(cloud.completed == 1);
  }
}

TEST_CASE("a cut answer can end by reset, or look complete") {
  Probe cloud;
  cloud.shape({"cut=4:reset,path=/processes/run,count=1", "cut=4:whole,path=/processes/run"});
  auto cut = ending(cloud, std::string("POST ") + RUN);
  CHECK(cut.byRst);
  CHECK(cloud.inside("probe", HttpMethod::POST, RUN).body == "onet");
}

TEST_CASE("an outage can reset connections instead of answering") {
  Probe cloud;
  cloud.shape({"outage=1:reset"});
  CHECK(ending(cloud, "GET /sandboxes/probe") == Ending{"", true});
  CHECK(cloud.inside("probe", HttpMethod::POST, RUN).body == "onetwothree");
}

TEST_CASE("a cut answer holds the bytes before the cut, and does not look complete") {
  Probe cloud;
  // Of known length, and in chunks.
  cloud.shape({"cut=4,path=/processes/run,count=1", "cut=5,path=/sandboxes,count=1", "cut=0,path=/other"});
  auto events = bodyOf(raw(cloud, std::string("POST ") + RUN));
  CHECK(events == "3\r\none\r\n1\r\nt\r\n");
  CHECK_THROWS(cloud.get("/sandboxes/probe"));
  auto nothing = raw(cloud, "POST /other");
  CHECK(nothing.find("HTTP/1.1 200 ") == 0);
  CHECK(bodyOf(nothing) == "");
  CHECK(cloud.statusOf("probe") == "running");
}

TEST_CASE("a slow answer is complete, and takes its time") {
  Probe cloud;
  cloud.shape({"slow=100,path=/processes/run"});
  auto& timer = cloud.io.provider->getTimer();
  auto begin = timer.now();
  CHECK(cloud.inside("probe", HttpMethod::POST, RUN).body == "onetwothree");
  CHECK(timer.now() - begin >= 100 * kj::MILLISECONDS);  // eleven bytes
}

TEST_CASE("an outage takes the control plane away for its time, and nothing else") {
  Probe cloud;
  cloud.shape({"outage=1"});
  CHECK(cloud.get("/sandboxes/probe").status == 503);
  CHECK(cloud.get("/v1/namespaces/default/sandboxes").status == 503);
  CHECK(cloud.inside("probe", HttpMethod::POST, RUN).body == "onetwothree");
  cloud.until([&]() { return cloud.get("/sandboxes/probe").status == 200; });
}

TEST_CASE("latency is waited once on the way in and once on the way out") {
  Probe cloud;
  cloud.shape({}, 60 * kj::MILLISECONDS);
  auto& timer = cloud.io.provider->getTimer();
  auto begin = timer.now();
  CHECK(cloud.inside("probe", HttpMethod::POST, RUN).body == "onetwothree");
  CHECK(cloud.reached - begin >= 60 * kj::MILLISECONDS);
  CHECK(timer.now() - cloud.reached >= 60 * kj::MILLISECONDS);
}

TEST_CASE("latency shifts a stream without holding up its writer") {
  Probe cloud;
  cloud.shape({}, 200 * kj::MILLISECONDS);
  auto address = cloud.io.provider->getNetwork().parseAddress(kj::str("127.0.0.1:", cloud.port())).wait(cloud.io.waitScope);
  auto connection = address->connect().wait(cloud.io.waitScope);
  kj::HttpHeaderTable table;
  auto client = kj::newHttpClient(table, *connection);
  kj::HttpHeaders headers(table);
  headers.set(kj::HttpHeaderId::HOST, "probe.local");
  auto request = client->request(HttpMethod::POST, RUN, headers, uint64_t(0));
  request.body = nullptr;
  auto response = request.response.wait(cloud.io.waitScope);
  CHECK(cloud.completed == 1);  // before its first byte is here
  CHECK(response.body->readAllText().wait(cloud.io.waitScope) == "onetwothree");
}

TEST_CASE("an answer that breaks in its middle does not look complete, also when it is shaped") {
  Cloud cloud;
  cloud.create("probe");
  cloud.shape({}, 10 * kj::MILLISECONDS);
  cloud.machine.daemon = [&](HttpMethod, kj::StringPtr, const kj::HttpHeaders&, kj::AsyncInputStream&,
                             Response& response) -> kj::Promise<void> {
    kj::HttpHeaders headers(*cloud.machine.daemonTable);
    auto stream = response.send(200, "OK", headers);
    co_await stream->write("data: {}\n\n", 10);
    co_await kj::NEVER_DONE;
  };
  auto streaming = cloud.send(HttpMethod::GET, "/follow", "", {"probe.local", {}});
  cloud.until([&]() { return cloud.machine.requestsUnderWay == 1; });
  cloud.call(HttpMethod::DELETE, "/sandboxes/probe");
  CHECK_THROWS(streaming.wait(cloud.io.waitScope));
}

TEST_CASE("a client that hangs up ends its shaped request in the sandbox") {
  Cloud cloud;
  cloud.create("probe");
  bool slow = GENERATE(false, true);
  // On a slow answer the writer waits for room.
  if (slow) cloud.shape({"slow=1"});
  else cloud.shape({}, 10 * kj::MILLISECONDS);
  cloud.machine.daemon = [&](HttpMethod, kj::StringPtr, const kj::HttpHeaders&, kj::AsyncInputStream&,
                             Response& response) -> kj::Promise<void> {
    kj::HttpHeaders headers(*cloud.machine.daemonTable);
    auto stream = response.send(200, "OK", headers);
    auto block = kj::heapArray<kj::byte>(10000);
    memset(block.begin(), 'x', block.size());
    for (;;) {
      co_await stream->write(block.begin(), block.size());
      co_await cloud.io.provider->getTimer().afterDelay(1 * kj::MILLISECONDS);
    }
  };
  {
    auto request = cloud.send(HttpMethod::GET, "/follow", "", {"probe.local", {}});
    cloud.until([&]() { return cloud.machine.requestsUnderWay == 1; });
  }
  cloud.until([&]() { return cloud.machine.requestsUnderWay == 0; });
}

TEST_CASE("a large answer passes whole through latency and through a cut beyond its end") {
  Cloud cloud;
  cloud.create("probe");
  cloud.shape({"cut=100000000"}, 5 * kj::MILLISECONDS);
  constexpr size_t SIZE = 40 << 20;  // more than may be under way
  cloud.machine.daemon = [&](HttpMethod, kj::StringPtr, const kj::HttpHeaders&, kj::AsyncInputStream&,
                             Response& response) -> kj::Promise<void> {
    kj::HttpHeaders headers(*cloud.machine.daemonTable);
    auto stream = response.send(200, "OK", headers, SIZE);
    auto block = kj::heapArray<kj::byte>(1 << 20);
    for (size_t i = 0; i < SIZE; i += block.size()) {
      memset(block.begin(), 'a' + (i >> 20) % 26, block.size());
      co_await stream->write(block.begin(), block.size());
    }
  };
  auto body = cloud.inside("probe", HttpMethod::GET, "/big").body;
  REQUIRE(body.size() == SIZE);
  bool right = true;
  for (size_t i = 0; i < SIZE; i += 4096) right = right && body[i] == static_cast<char>('a' + (i >> 20) % 26);
  CHECK(right);
}

}  // namespace
}  // namespace sandbridge::localcloud::test
