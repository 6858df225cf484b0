// What our client does where the table "Retry policy" of TensorLake's own client names a fault: each call of the API against
// each fault. Two classes: calls that may be made twice, and calls that may not.
#include "base/error.h"
#include "tensorlake/scripted-server.h"

#include <set>

using namespace sandbridge;
using namespace sandbridge::test;

namespace {

const std::string BASE = "/v1/namespaces/default/sandboxes";
// Fast enough for a wait of seconds, slow enough for a busy machine: the budget of 30 s is over after 1.5.
constexpr unsigned SPEED = 20;

tensorlake::ProcessRequest command() {
  tensorlake::ProcessRequest request;
  request.command = kj::str("true");
  return request;
}

kj::Promise<void> readAll(kj::Promise<kj::Own<tensorlake::ProcessEvents>> starting) {
  auto events = co_await starting;
  while (co_await events->next() != nullptr) {}
}

struct Api {
  tensorlake::Client& client;
  tensorlake::DataPlane& plane;
};

struct TableCall {
  const char* name;
  std::string line;  // of its request
  bool twice;        // as good as once
  kj::Promise<void> (*make)(Api api);
};

// `create` apart: what became of it can be found out.
const TableCall CALLS[] = {
    {"get", "GET " + BASE + "/n", true,
     [](Api api) { return api.client.get(kj::str("n")).ignoreResult(); }},
    {"list", "GET " + BASE + "?limit=100", true,
     [](Api api) { return api.client.list().ignoreResult(); }},
    {"delete", "DELETE " + BASE + "/n", true,
     [](Api api) { return api.client.remove(kj::str("n")); }},
    {"suspend", "POST " + BASE + "/asleep/suspend", true,
     [](Api api) { return api.client.suspend(kj::str("asleep")).ignoreResult(); }},
    {"resume", "POST " + BASE + "/n/resume", true,
     [](Api api) { return api.client.resume(kj::str("n")).ignoreResult(); }},
    {"run", "POST /api/v1/processes/run", false,
     [](Api api) { return readAll(api.plane.run(command())); }},
    {"start a process", "POST /api/v1/processes", false,
     [](Api api) { return api.plane.start(command()).ignoreResult(); }},
    {"list processes", "GET /api/v1/processes", true,
     [](Api api) { return api.plane.processes().ignoreResult(); }},
    {"get a process", "GET /api/v1/processes/7", true,
     [](Api api) { return api.plane.process(7).ignoreResult(); }},
    {"follow", "GET /api/v1/processes/7/output/follow", true,
     [](Api api) { return readAll(api.plane.follow(7, tensorlake::Log::OUTPUT)); }},
    {"signal", "POST /api/v1/processes/7/signal", false,
     [](Api api) { return api.plane.signal(7, 15); }},
    {"kill", "DELETE /api/v1/processes/7", true, [](Api api) { return api.plane.kill(7); }},
    {"write standard input", "POST /api/v1/processes/7/stdin", false,
     [](Api api) { return api.plane.writeStdin(7, kj::heapArray<kj::byte>("in"_kj.asBytes())); }},
    {"close standard input", "POST /api/v1/processes/7/stdin/close", true,
     [](Api api) { return api.plane.closeStdin(7); }},
    {"read a file", "GET /api/v1/files?path=%2Fx", true,
     [](Api api) {
       return api.plane.readFile(kj::str("/x")).then([](kj::Own<kj::AsyncInputStream> stream) {
         auto all = stream->readAllText();
         return all.attach(kj::mv(stream)).then([](kj::String text) { CHECK(text == "content"); });
       });
     }},
    {"write a file", "PUT /api/v1/files?path=%2Fx", true,
     [](Api api) {
       return api.plane.writeFile(kj::str("/x"), kj::heapArray<kj::byte>("new"_kj.asBytes()));
     }},
    {"delete a file", "DELETE /api/v1/files?path=%2Fx", true,
     [](Api api) { return api.plane.deleteFile(kj::str("/x")); }},
    {"list files", "GET /api/v1/files/list?path=%2F", true,
     [](Api api) { return api.plane.listFiles(kj::str("/")).ignoreResult(); }},
    {"health", "GET /api/v1/health", true, [](Api api) { return api.plane.health(); }},
};

std::string described(const std::string& url, const std::string& status) {
  return "{\"id\":\"box1\",\"name\":\"n\",\"status\":\"" + status + "\",\"sandbox_url\":\"" + url +
         "\",\"routing_hint\":\"hint-7\"}";
}

// What a TensorLake without faults says.
Reply healthy(const std::string& url, const Seen& request) {
  auto is = [&](const char* part) { return request.path.find(part) != std::string::npos; };
  if (is("/run")) return events("data: {\"pid\":1}\n\ndata: {\"exit_code\":0}\n\n");
  if (is("/follow")) return events("event: eof\ndata: {}\n\n");
  if (is("/processes/7") || (is("/processes") && request.method == "POST"))
    return json(200, "{\"pid\":7,\"status\":\"running\"}");
  if (is("/processes")) return json(200, "{\"processes\":[]}");
  if (is("/files/list")) return json(200, "{\"entries\":[]}");
  if (is("/files") && request.method == "GET") return json(200, "content");
  if (is("?limit")) return json(200, "{\"sandboxes\":[]}");
  return json(200, described(url, is("asleep") ? "suspended" : "running"));
}

// "done", or the kind of the failure.
template <typename T>
std::string outcome(Fixture& f, kj::Promise<T> promise) {
  try {
    f.wait(kj::mv(promise));
    return "done";
  } catch (kj::Exception& e) {
    return toWord(kindOf(e)).cStr();
  }
}

struct Tried {
  std::string outcome;
  size_t requests = 0;  // of the call's own line
  kj::Duration time = 0 * kj::SECONDS;  // on the client's clock
};

// The fault strikes the first `times` of the call's requests.
Tried attempt(const TableCall& call, Reply fault, size_t times = 1, unsigned speed = SPEED) {
  Fixture f(speed);
  f.server.answer = [&](const Seen& request) {
    return request.line() == call.line && f.server.count(call.line) <= times ? fault
               : healthy(f.server.url(), request);
  };
  auto plane = f.plane();
  auto begin = f.timer.now();
  auto word = outcome(f, kj::evalNow([&]() { return call.make({*f.client, *plane}); }));
  return {word, f.server.count(call.line), f.timer.now() - begin};
}

// As above, for the creation.
Tried creation(Reply fault, bool made) {
  Fixture f(SPEED);
  const std::string line = "POST " + BASE;
  f.server.answer = [&](const Seen& request) {
    if (request.line() == line && f.server.count(line) <= 1) return fault;
    bool there = made || f.server.count(line) > 1;
    return request.method == "GET" && !there ? json(404, "") : healthy(f.server.url(), request);
  };
  tensorlake::CreateRequest request;
  request.name = kj::str("n");
  auto word = outcome(f, f.client->create(kj::mv(request)));
  return {word, f.server.count(line)};
}

}  // namespace

TEST_CASE("table, 502, 503 and 504: repeated where twice is as good as once; an unknown outcome else",
          "[table]") {
  for (auto status : {502, 503, 504}) {
    for (auto& call : CALLS) {
      INFO(status << " on " << call.name);
      auto tried = attempt(call, json(status, "bad gateway"), 2);
      CHECK(tried.outcome == (call.twice ? "done" : "interrupted"));
      CHECK(tried.requests == (call.twice ? 3 : 1));
    }
  }
}

TEST_CASE("table, 502, 503 and 504 for as long as a roll-out takes: survived for about 30 s",
          "[table]") {
  Fixture f(SPEED);
  std::set<std::string> lines;
  for (auto& call : CALLS) {
    if (call.twice) lines.insert(call.line);
  }
  f.server.answer = [&](const Seen& request) {
    return lines.count(request.line()) ? json(503, "rolling out") : healthy(f.server.url(), request);
  };
  auto plane = f.plane();
  auto begin = f.timer.now();
  kj::Vector<kj::Promise<Tried>> all;
  for (auto& call : CALLS) {
    if (!call.twice) continue;
    auto failed = [&f, &call, begin](kj::Exception&& e) {
      return Tried{toWord(kindOf(e)).cStr(), f.server.count(call.line), f.timer.now() - begin};
    };
    all.add(call.make({*f.client, *plane})
                .then([]() { return Tried{"done"}; }, kj::mv(failed))
                .eagerlyEvaluate(nullptr));
  }
  for (auto& promise : all) {
    auto tried = f.wait(kj::mv(promise));
    CHECK(tried.outcome == "unavailable");
    // Its last pause may not fit in, and 4 s are the longest.
    CHECK(tried.time >= 25 * kj::SECONDS);
    // Five repetitions of TensorLake's own client are over after 4.65 s. How many of ours there are is retryDelay's, and on a
    // busy machine this fast clock's.
    CHECK(tried.requests > 1);
    CHECK(tried.requests < 60);
  }
}

TEST_CASE("table, 503 before it was passed on, and connections refused behind the proxy: repeated for everything",
          "[table]") {
  for (auto code : {"SANDBOX_UPSTREAM_ERROR", "SANDBOX_NOT_READY", "SANDBOX_UNREACHABLE",
                    "AUTH_SERVICE_UNAVAILABLE"}) {
    for (auto& call : CALLS) {
      INFO(code << " on " << call.name);
      auto tried = attempt(call, error(503, code), 2);
      CHECK(tried.outcome == "done");
      CHECK(tried.requests == 3);
    }
    CHECK(creation(error(503, code), false).outcome == "done");
  }
  for (auto& call : CALLS) {
    INFO(call.name);
    CHECK(attempt(call, error(502, "CONNECTION_REFUSED")).outcome == "done");
  }
}

TEST_CASE("table, 429: refused before anything was done, so repeated when Retry-After says so",
          "[table]") {
  for (auto& call : CALLS) {
    INFO(call.name);
    auto tried = attempt(call, json(429, "slow down", "Retry-After: 1\r\n"), 2);
    CHECK(tried.outcome == "done");
    CHECK(tried.requests == 3);
    CHECK(tried.time >= 2 * kj::SECONDS);
  }
}

TEST_CASE("table, 500 and other 4xx: never repeated", "[table]") {
  struct { int status; const char* kind; } const answers[] = {
      {400, "invalidArgument"}, {401, "denied"},  {402, "failed"}, {403, "denied"},
      {409, "failed"},          {411, "invalidArgument"}, {422, "invalidArgument"},
      {500, "failed"}};
  for (auto& answer : answers) {
    for (auto& call : CALLS) {
      INFO(answer.status << " on " << call.name);
      auto tried = attempt(call, json(answer.status, "no"));
      // A suspend or resume that is refused is looked into: it may be there already.
      std::string name = call.name;
      bool there = answer.status == 400 && (name == "resume" || name == "suspend");
      bool unknown = answer.status == 500 && !call.twice;
      CHECK(tried.outcome == (there ? "done" : unknown ? "interrupted" : answer.kind));
      CHECK(tried.requests == 1);
    }
  }
}

TEST_CASE("table, connection reset: repeated where twice is as good as once; an unknown outcome else",
          "[table]") {
  for (auto& call : CALLS) {
    INFO(call.name);
    auto tried = attempt(call, lost());
    CHECK(tried.outcome == (call.twice ? "done" : "interrupted"));
    CHECK(tried.requests == (call.twice ? 2 : 1));
  }
}

TEST_CASE("table, connection reset within the answer: as without an answer", "[table]") {
  for (auto& call : CALLS) {
    INFO(call.name);
    auto tried = attempt(call, Reply{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                     "Content-Length: 500\r\n\r\n{\"half", true});
    std::string name = call.name;
    // Whoever reads these has seen their beginning.
    if (name == "follow" || name == "read a file") {
      CHECK(tried.outcome == "interrupted");
      CHECK(tried.requests == 1);
    } else {
      CHECK(tried.outcome == (call.twice ? "done" : "interrupted"));
      CHECK(tried.requests == (call.twice ? 2 : 1));
    }
  }
}

TEST_CASE("table, total timeout: every call ends though the service never answers, and is not repeated",
          "[table]") {
  for (auto& call : CALLS) {
    INFO(call.name);
    auto tried = attempt(call, silent(), SIZE_MAX, 400);
    CHECK(tried.outcome == (call.twice ? "unavailable" : "interrupted"));
    // A health check is so short that it fits into the budget more than once.
    bool isShort = std::string(call.name) == "health";
    CHECK(tried.requests <= (isShort ? 4 : 1));
  }
}

TEST_CASE("table, connection refused: repeated for everything until somebody listens", "[table]") {
  for (auto& call : CALLS) {
    INFO(call.name);
    Fixture f(SPEED);
    // The port of a server that has gone, and comes back.
    unsigned port;
    {
      ScriptedServer gone(f.io);
      port = gone.port();
    }
    auto address = kj::str("127.0.0.1:", port);
    tensorlake::Config config;
    config.apiUrl = kj::str("http://", address);
    f.client = tensorlake::newClient(kj::mv(config), *f.http, f.timer);
    auto plane = f.plane(std::string("http://") + address.cStr());
    auto calling = call.make({*f.client, *plane}).eagerlyEvaluate(nullptr);
    f.wait(f.timer.afterDelay(1 * kj::SECONDS));
    ScriptedServer back(f.io, address);
    back.answer = [&](const Seen& request) { return healthy(back.url(), request); };
    CHECK(outcome(f, kj::mv(calling)) == "done");
    CHECK(back.count(call.line) == 1);
  }
}

TEST_CASE("table, DNS failure: repeated for 30 s, then told as certainly not done", "[table]") {
  Fixture f(SPEED);
  tensorlake::Config config;
  config.apiUrl = kj::str("https://api.no-such-host.invalid");
  f.client = tensorlake::newClient(kj::mv(config), *f.http, f.timer);
  auto begin = f.timer.now();
  tensorlake::CreateRequest request;
  request.name = kj::str("n");
  try {
    f.wait(f.client->create(kj::mv(request)));
    FAIL("there is such a host");
  } catch (kj::Exception& e) {
    CHECK(kindOf(e) == ErrorKind::UNAVAILABLE);
    CHECK_FALSE(tensorlake::failureOf(e).delivered);
    CHECK_THAT(textOf(e).cStr(), Catch::Contains("sandbox.no-such-host.invalid cannot be resolved"));
  }
  CHECK(f.timer.now() - begin >= 15 * kj::SECONDS);
}

TEST_CASE("table, create: what became of it is looked up by its name, and only then is it made again",
          "[table]") {
  for (auto& fault : {lost(), json(502, "bad gateway"), json(503, "busy"), json(500, "oops"),
                      json(504, "<html>gateway timeout</html>"),
                      Reply{"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"half", true}}) {
    INFO(fault.bytes);
    auto made = creation(fault, true);
    CHECK(made.outcome == "done");
    CHECK(made.requests == 1);
    auto lost = creation(fault, false);
    CHECK(lost.outcome == "done");
    CHECK(lost.requests == 2);
  }
  for (auto& fault : {json(400, "no"), json(402, "quota"), json(403, "forbidden")}) {
    INFO(fault.bytes);
    auto refused = creation(fault, false);
    CHECK(refused.outcome != "done");
    CHECK(refused.requests == 1);
  }
}
