// The client against a server that loses answers, breaks streams and refuses.
#include "base/error.h"
#include "tensorlake/scripted-server.h"

using namespace sandbridge;
using namespace sandbridge::test;
using tensorlake::ProcessEvent;

namespace {

const std::string BASE = "/v1/namespaces/default/sandboxes";
const std::string RUNNING = "{\"sandbox_id\":\"box1\",\"name\":\"n\",\"status\":\"running\"}";

tensorlake::ProcessRequest command() {
  tensorlake::ProcessRequest request;
  request.command = kj::str("true");
  return request;
}

tensorlake::CreateRequest named() {
  tensorlake::CreateRequest request;
  request.name = kj::str("n");
  return request;
}

template <typename T>
kj::Exception failure(Fixture& f, kj::Promise<T> promise) {
  try {
    f.wait(kj::mv(promise));
  } catch (kj::Exception& e) {
    CHECK(strstr(e.getDescription().cStr(), "secret-key-42") == nullptr);
    return kj::mv(e);
  }
  throw std::runtime_error("nothing was thrown");
}

// Runs to the end and returns the exit code.
int runToEnd(Fixture& f) {
  auto plane = f.plane();
  auto events = f.wait(plane->run(command()));
  int code = -1;
  for (;;) {
    auto next = f.wait(events->next());
    KJ_IF_MAYBE (event, next) {
      if (event->kind == ProcessEvent::EXITED) code = event->value;
    } else {
      return code;
    }
  }
}

kj::Promise<int> runFully(kj::Own<tensorlake::DataPlane> plane) {
  auto events = co_await plane->run(command());
  for (;;) {
    if (co_await events->next() == nullptr) co_return 0;
  }
}

}  // namespace

TEST_CASE("a look-up goes on through lost answers and 503s") {
  Fixture f;
  f.server.answer = [&](const Seen&) {
    if (f.server.seen.size() == 1) return lost();
    if (f.server.seen.size() == 2) return json(503, "down");
    if (f.server.seen.size() == 3) return json(429, "slow", "Retry-After: 0\r\n");
    return json(200, RUNNING);
  };
  CHECK(KJ_ASSERT_NONNULL(f.wait(f.client->get(kj::str("n")))).id == "box1");
  CHECK(f.server.seen.size() == 4);
}

TEST_CASE("every attempt has a trace id of its own") {
  Fixture f;
  f.server.answer = [&](const Seen&) {
    return f.server.seen.size() == 1 ? json(503, "") : json(200, RUNNING);
  };
  f.wait(f.client->get(kj::str("n")));
  auto trace = [&](size_t i) {
    auto at = f.server.seen[i].head.find("traceparent: 00-");
    REQUIRE(at != std::string::npos);
    return f.server.seen[i].head.substr(at, 16 + 32 + 1 + 16 + 3);
  };
  CHECK(trace(0) != trace(1));
  CHECK(trace(0).substr(16 + 32 + 1 + 16) == "-01");
}

TEST_CASE("only a 404 means that there is no sandbox") {
  Fixture f;
  f.server.answer = [&](const Seen&) { return json(404, "not found"); };
  CHECK(f.wait(f.client->get(kj::str("n"))) == nullptr);
  f.server.answer = [&](const Seen&) { return json(500, "oops"); };
  CHECK(kindOf(failure(f, f.client->get(kj::str("n")))) == ErrorKind::FAILED);
  f.server.answer = [&](const Seen&) { return json(403, "forbidden"); };
  CHECK(kindOf(failure(f, f.client->get(kj::str("n")))) == ErrorKind::DENIED);
  f.server.answer = [&](const Seen&) { return json(200, "<html>"); };
  CHECK(kindOf(failure(f, f.client->get(kj::str("n")))) == ErrorKind::FAILED);
}

TEST_CASE("a wait that the server asks for beyond the budget is not made") {
  Fixture f;
  f.server.answer = [&](const Seen&) { return json(429, "slow", "Retry-After: 3600\r\n"); };
  CHECK(kindOf(failure(f, f.client->get(kj::str("n")))) == ErrorKind::UNAVAILABLE);
  CHECK(f.server.seen.size() == 1);
}

TEST_CASE("a key that the server echoes does not get into the error") {
  Fixture f;
  f.server.answer = [&](const Seen&) { return json(401, "bad header: Bearer secret-key-42"); };
  auto e = failure(f, f.client->get(kj::str("n")));
  CHECK(kindOf(e) == ErrorKind::DENIED);
  CHECK(strstr(textOf(e).cStr(), "TENSORLAKE_API_KEY") != nullptr);
}

TEST_CASE("the key is nowhere in what is told of a sandbox that did not start") {
  Fixture f;
  f.server.answer = [&](const Seen& request) {
    return request.method == "POST"
               ? json(200, "{\"id\":\"s1\",\"status\":\"terminated\",\"error_details\":\"got Authorization: "
                           "Bearer secret-key-42\\n\"}")
               : json(200, "{}");
  };
  CHECK(kindOf(failure(f, f.client->create(named()))) == ErrorKind::FAILED);
}

TEST_CASE("a sandbox whose answer names a stranger's address is not connected to") {
  Fixture f;
  CHECK_THROWS(f.plane("https://evil.example"));
  CHECK_THROWS(f.plane("http://evil.example"));
  try {
    f.plane("https://127.0.0.1.evil.example/x");
    FAIL("it was connected to");
  } catch (kj::Exception& e) {
    CHECK_THAT(textOf(e).cStr(), Catch::Contains("https://127.0.0.1.evil.example"));
  }
}

TEST_CASE("a redirect does not take the key elsewhere") {
  Fixture f;
  ScriptedServer other(f.io);
  other.answer = [](const Seen&) { return json(200, RUNNING); };
  auto status = GENERATE(301, 302, 307, 308);
  f.server.answer = [&](const Seen&) {
    return json(status, "", "Location: " + other.url() + "/\r\n");
  };
  CHECK(kindOf(failure(f, f.client->get(kj::str("n")))) == ErrorKind::FAILED);
  CHECK(other.seen.empty());
}

TEST_CASE("an id that would lead to another resource is refused") {
  Fixture f;
  f.server.answer = [&](const Seen&) { return json(200, "{}"); };
  for (auto id : {".", "..", ""}) {
    CHECK(kindOf(failure(f, f.client->get(kj::str(id)))) == ErrorKind::INVALID_ARGUMENT);
    CHECK(kindOf(failure(f, f.client->remove(kj::str(id)))) == ErrorKind::INVALID_ARGUMENT);
    CHECK(kindOf(failure(f, f.client->suspend(kj::str(id)))) == ErrorKind::INVALID_ARGUMENT);
  }
  CHECK(f.server.seen.empty());
}

TEST_CASE("a list whose pages go round in a circle is an error, not an endless list") {
  Fixture f;
  f.server.answer = [&](const Seen& request) {
    bool a = request.path.find("cursor=a") != std::string::npos;
    return json(200, std::string("{\"sandboxes\":[],\"next_cursor\":\"") + (a ? "b" : "a") + "\"}");
  };
  CHECK(kindOf(failure(f, f.client->list())) == ErrorKind::FAILED);
  CHECK(f.server.seen.size() == 3);
}

TEST_CASE("an answer without an end is refused, not stored") {
  Fixture f;
  f.server.answer = [&](const Seen&) { return json(200, std::string(17u << 20, ' ')); };
  CHECK(kindOf(failure(f, f.client->get(kj::str("n")))) == ErrorKind::FAILED);
  CHECK(f.server.seen.size() == 1);
}

TEST_CASE("names and ids are data in paths") {
  Fixture f;
  f.server.answer = [&](const Seen&) { return json(404, ""); };
  f.wait(f.client->get(kj::str("../x?y#z/ a")));
  CHECK(f.server.seen[0].path == BASE + "/..%2Fx%3Fy%23z%2F%20a");
}

TEST_CASE("requests carry the key, and the scope of a personal token only when it is whole") {
  Fixture f;
  f.server.answer = [&](const Seen&) { return json(404, ""); };
  f.wait(f.client->get(kj::str("n")));
  f.connectWith(kj::str("pat"), "org-1");
  f.wait(f.client->get(kj::str("n")));
  f.connectWith(kj::str("pat"), "org-1", "proj-2");
  f.wait(f.client->get(kj::str("n")));
  CHECK(f.server.seen[0].has("Authorization: Bearer secret-key-42"));
  CHECK_FALSE(f.server.seen[1].has("X-Forwarded-Organization-Id: org-1"));
  CHECK(f.server.seen[2].has("Authorization: Bearer pat"));
  CHECK(f.server.seen[2].has("X-Forwarded-Organization-Id: org-1"));
  CHECK(f.server.seen[2].has("X-Forwarded-Project-Id: proj-2"));
}

TEST_CASE("all pages of the list are followed") {
  Fixture f;
  f.server.answer = [&](const Seen& request) {
    if (request.path.find("cursor=") == std::string::npos) {
      return json(
          200, "{\"sandboxes\":[{\"id\":\"a\",\"status\":\"running\"}],\"next_cursor\":\"x+/=\"}");
    }
    CHECK(request.path == BASE + "?limit=100&cursor=x%2B%2F%3D");
    return json(200,
                "{\"sandboxes\":[{\"id\":\"b\",\"status\":\"running\"}],\"next_cursor\":null}");
  };
  auto all = f.wait(f.client->list());
  REQUIRE(all.size() == 2);
  CHECK(all[1].id == "b");
}

TEST_CASE("deleting what is gone is success") {
  Fixture f;
  f.server.answer = [&](const Seen&) { return json(404, ""); };
  f.wait(f.client->remove(kj::str("n")));
  CHECK(f.server.lines() == std::vector<std::string>{"DELETE " + BASE + "/n"});
}

TEST_CASE("a creation whose answer was lost is looked up by name, not repeated") {
  Fixture f;
  f.server.answer = [&](const Seen& request) {
    if (request.method == "POST") return lost();
    // It takes a moment to appear.
    if (f.server.seen.size() < 4) return json(404, "");
    if (f.server.seen.size() < 6) return json(200, "{\"id\":\"box1\",\"status\":\"pending\"}");
    return json(200, RUNNING);
  };
  auto sandbox = f.wait(f.client->create(named()));
  CHECK(sandbox.id == "box1");
  CHECK(sandbox.status == "running");
  CHECK(f.server.count("POST " + BASE) == 1);
}

TEST_CASE("a creation that lost the race for the name gets the winner's sandbox") {
  Fixture f;
  f.server.answer = [&](const Seen& request) {
    return request.method == "POST" ? json(409, "name taken") : json(200, RUNNING);
  };
  CHECK(f.wait(f.client->create(named())).id == "box1");
}

TEST_CASE("a creation that never arrived is sent again") {
  Fixture f;
  f.server.answer = [&](const Seen&) {
    return f.server.seen.size() < 3 ? error(503, "SANDBOX_UPSTREAM_ERROR") : json(200, RUNNING);
  };
  CHECK(f.wait(f.client->create(named())).id == "box1");
  CHECK(f.server.count("POST " + BASE) == 3);
}

TEST_CASE("a creation that took too long is removed again") {
  Fixture f;
  f.server.answer = [&](const Seen& request) {
    if (request.method == "POST")
      return json(504, "{\"sandbox_id\":\"late1\",\"status\":\"timeout\"}");
    return json(200, "{}");
  };
  CHECK(kindOf(failure(f, f.client->create(named()))) == ErrorKind::UNAVAILABLE);
  CHECK(f.server.lines() == std::vector<std::string>{"POST " + BASE, "DELETE " + BASE + "/late1"});
}

TEST_CASE("a sandbox that ends while it starts is removed, and the reason told") {
  Fixture f;
  f.server.answer = [&](const Seen& request) {
    if (request.method == "POST")
      return json(200, "{\"sandbox_id\":\"s1\",\"status\":\"pending\"}");
    if (request.method == "GET") {
      return json(
          200,
          "{\"id\":\"s1\",\"status\":\"terminated\",\"termination_reason\":\"ImageNotFound\"}");
    }
    return json(200, "{}");
  };
  auto e = failure(f, f.client->create(named()));
  CHECK(kindOf(e) == ErrorKind::FAILED);
  CHECK(strstr(textOf(e).cStr(), "ImageNotFound") != nullptr);
  CHECK(f.server.seen.back().line() == "DELETE " + BASE + "/s1");
}

TEST_CASE("resume waits through suspending, and for the state to come true") {
  Fixture f;
  std::string state = "suspending";
  int polls = 0;
  f.server.answer = [&](const Seen& request) {
    if (request.method == "POST") {
      if (state == "suspending") return json(400, "still suspending");
      state = "running";
      return json(202, "");
    }
    if (++polls == 3) state = "suspended";
    return json(200, "{\"id\":\"box1\",\"status\":\"" + state + "\",\"routing_hint\":\"new\"}");
  };
  auto sandbox = f.wait(f.client->resume(kj::str("box1")));
  CHECK(sandbox.status == "running");
  CHECK(sandbox.routingHint == "new");
  CHECK(f.server.count("POST " + BASE + "/box1/resume") == 2);
}

TEST_CASE("suspend waits through snapshotting, and is refused once and for all where it cannot be") {
  Fixture f;
  std::string state = "snapshotting";
  int polls = 0;
  f.server.answer = [&](const Seen& request) {
    if (request.method == "POST") {
      if (state != "running") return json(400, "still snapshotting");
      state = "suspended";
      return json(202, "");
    }
    if (++polls == 3) state = "running";
    return json(200, "{\"id\":\"box1\",\"status\":\"" + state + "\"}");
  };
  CHECK(f.wait(f.client->suspend(kj::str("box1"))).status == "suspended");
  CHECK(f.server.count("POST " + BASE + "/box1/suspend") == 2);

  f.server.answer = [&](const Seen& request) {
    if (request.method == "POST") return json(400, "has no name");
    return json(200, "{\"id\":\"box1\",\"status\":\"running\"}");
  };
  auto e = failure(f, f.client->suspend(kj::str("box1")));
  CHECK(strstr(textOf(e).cStr(), "has no name") != nullptr);
  CHECK(f.server.count("POST " + BASE + "/box1/suspend") == 4);
}

TEST_CASE("an order that the service forgets is told as lost, and not waited for any longer") {
  constexpr unsigned SPEED = 20;  // times as fast as time
  Fixture f(SPEED);
  auto verb = GENERATE(as<std::string>(), "suspend", "resume");
  bool suspends = verb == "suspend";
  std::string state = suspends ? "running" : "suspended";
  f.server.answer = [&](const Seen& request) {
    return request.method == "POST" ? json(202, "") : json(200, "{\"id\":\"box1\",\"status\":\"" + state + "\"}");
  };
  auto e = failure(f, suspends ? f.client->suspend(kj::str("box1")) : f.client->resume(kj::str("box1")));
  CHECK(kindOf(e) == ErrorKind::UNAVAILABLE);
  CHECK_THAT(textOf(e).cStr(), Catch::Contains("the sandbox stays " + state) && Catch::Contains("lost the order. Try again."));
  CHECK(f.server.count("POST " + BASE + "/box1/" + verb) == 1);
}

TEST_CASE("an order whose sandbox is on its way for long is waited for") {
  constexpr unsigned SPEED = 20;
  Fixture f(SPEED);
  std::string state = "running";
  auto begin = f.timer.now();
  f.server.answer = [&](const Seen& request) {
    if (request.method == "POST") {
      state = "suspending";
      return json(202, "");
    }
    if (f.timer.now() - begin > 60 * kj::SECONDS) state = "suspended";
    return json(200, "{\"id\":\"box1\",\"status\":\"" + state + "\"}");
  };
  CHECK(f.wait(f.client->suspend(kj::str("box1"))).status == "suspended");
  CHECK(f.timer.now() - begin > 60 * kj::SECONDS);
}

TEST_CASE("lifecycle posts without a body say so") {
  Fixture f;
  f.server.answer = [&](const Seen& request) {
    return request.method == "POST" ? json(200, "")
                                    : json(200, "{\"id\":\"box1\",\"status\":\"suspended\"}");
  };
  f.wait(f.client->suspend(kj::str("box1")));
  CHECK(f.server.seen[0].has("Content-Length: 0"));
}

TEST_CASE("a run whose answer was lost is interrupted, and sent once only") {
  Fixture f;
  f.server.answer = [&](const Seen&) { return lost(); };
  CHECK(kindOf(failure(f, f.plane()->run(command()))) == ErrorKind::INTERRUPTED);
  CHECK(f.server.seen.size() == 1);
}

TEST_CASE("a run is sent once only when a proxy may have passed it on") {
  for (int status : {502, 503, 504}) {
    Fixture f;
    f.server.answer = [&](const Seen&) { return json(status, "bad gateway"); };
    CHECK(kindOf(failure(f, f.plane()->run(command()))) == ErrorKind::INTERRUPTED);
    CHECK(f.server.seen.size() == 1);
  }
}

TEST_CASE("a run that failed before it was passed on is sent again") {
  Fixture f;
  f.server.answer = [&](const Seen&) {
    return f.server.seen.size() == 1 ? error(503, "SANDBOX_UNREACHABLE")
                                     : events("data: {\"pid\":1}\n\ndata: {\"exit_code\":5}\n\n");
  };
  CHECK(runToEnd(f) == 5);
  CHECK(f.server.seen.size() == 2);
}

TEST_CASE("a run's stream that ends without an exit event is interrupted, however it ends") {
  for (auto& reply : {events("data: {\"pid\":1}\n\n"), cutEvents("data: {\"pid\":1}\n\n"),
                      events(""), events("data: {\"pid\":1}\n\ndata: {\"error\":\"lost it\"}\n\n"),
                      events("data: {\"exit_code\":0}"),  // not dispatched: no empty line
                      events("data: {\"exit_c\n\n")}) {
    Fixture f;
    f.server.answer = [&](const Seen&) { return reply; };
    INFO(reply.bytes);
    CHECK(kindOf(failure(f, runFully(f.plane()))) == ErrorKind::INTERRUPTED);
    CHECK(f.server.seen.size() == 1);
  }
}

TEST_CASE("an answer that is no event stream is not taken for a finished run") {
  Fixture f;
  f.server.answer = [&](const Seen&) { return json(200, "{\"exit_code\":0}"); };
  CHECK(kindOf(failure(f, f.plane()->run(command()))) == ErrorKind::INTERRUPTED);
}

TEST_CASE("starting a process is never repeated, though TensorLake's own client does so") {
  Fixture f;
  f.server.answer = [&](const Seen&) { return json(503, "busy"); };
  CHECK(kindOf(failure(f, f.plane()->start(command()))) == ErrorKind::INTERRUPTED);
  CHECK(f.server.seen.size() == 1);
}

TEST_CASE("on loopback the Host header names the sandbox, elsewhere the sandbox header does") {
  Fixture f;
  f.server.answer = [&](const Seen&) { return json(200, "{\"healthy\":true}"); };
  f.wait(f.plane(f.server.url() + "/base/")->health());
  CHECK(f.server.seen[0].path == "/base/api/v1/health");
  CHECK(f.server.seen[0].has("Host: box1.local"));
  CHECK(f.server.seen[0].has("X-Tensorlake-Route-Hint: hint-7"));
  CHECK(f.server.seen[0].head.find("X-Tensorlake-Sandbox-Id") == std::string::npos);

  ScriptedServer other(f.io, "127.0.0.2");
  other.answer = f.server.answer;
  auto authority = "127.0.0.2:" + std::to_string(other.port());
  f.wait(f.plane("http://" + authority + "/dropped")->health());
  CHECK(other.seen[0].path == "/api/v1/health");
  CHECK(other.seen[0].has("Host: " + authority));
  CHECK(other.seen[0].has("X-Tensorlake-Sandbox-Id: box1"));
}

TEST_CASE("a sandbox without an address is refused rather than guessed") {
  Fixture f;
  tensorlake::Sandbox sandbox;
  sandbox.id = kj::str("box1");
  CHECK_THROWS(f.client->connect(sandbox));
}

TEST_CASE("an empty upload carries its length, and an upload can be repeated") {
  Fixture f;
  f.server.answer = [&](const Seen&) {
    return f.server.seen.size() == 2 ? json(503, "") : Reply{"HTTP/1.1 204 X\r\n\r\n"};
  };
  f.wait(f.plane()->writeFile(kj::str("/a b+c"), kj::Array<const kj::byte>()));
  CHECK(f.server.seen[0].line() == "PUT /api/v1/files?path=%2Fa%20b%2Bc");
  CHECK(f.server.seen[0].has("Content-Length: 0"));
  f.wait(f.plane()->writeFile(kj::str("/x"), kj::heapArray<kj::byte>("hello"_kj.asBytes())));
  REQUIRE(f.server.seen.size() == 3);
  CHECK(f.server.seen[2].body == "hello");
}

TEST_CASE("a file that breaks off is an error, not a short file") {
  Fixture f;
  f.server.answer = [&](const Seen&) {
    return Reply{
        "HTTP/1.1 200 X\r\nContent-Type: application/octet-stream\r\nContent-Length: "
        "10\r\n\r\nhalf",
        true};
  };
  auto plane = f.plane();
  auto stream = f.wait(plane->readFile(kj::str("/x")));
  failure(f, stream->readAllBytes());
}
