// Sessions against a server that suspends, loses and fails at the wrong moment.
#include "base/error.h"
#include "sandbox/sessions.h"
#include "tensorlake/scripted-server.h"

#include <set>

using namespace sandbridge;
using namespace sandbridge::test;

namespace {

const std::string BASE = "/v1/namespaces/default/sandboxes";

struct Events final : public SessionObserver {
  std::vector<SessionEventKind> seen;
  void sessionEvent(const SessionEvent& event) override {
    seen.push_back(event.kind);
  }
};

// A TensorLake with one sandbox, told by its status; empty: none.
struct OneSandbox : public Fixture {
  OneSandbox() : sessions(newSessions(*client, io.provider->getTimer())) {
    sessions->addObserver(events);
    server.answer = [this](const Seen& request) { return reply(request); };
    session = sessions->get("s", SandboxOptions());
  }
  ~OneSandbox() noexcept(false) { sessions->removeObserver(events); }

  std::string status, id = "box1", hint = "hint-1";
  std::function<kj::Maybe<Reply>(const Seen&)> fault = [](const Seen&) -> kj::Maybe<Reply> {
    return nullptr;
  };
  size_t runs = 0;

  std::string describe() {
    return "{\"id\":\"" + id + "\",\"name\":\"opencode-s\",\"status\":\"" + status +
           "\",\"sandbox_url\":\"" + server.url() + "\",\"routing_hint\":\"" + hint + "\"}";
  }
  static bool isInstallation(const Seen& request) {
    return request.body.find("\"HELPER\"") != std::string::npos;
  }
  // On stdout, or behind `!` on stderr.
  static Reply printed(std::vector<std::string> lines) {
    std::string text = "data: {\"pid\":7}\n\n";
    for (auto& line : lines) {
      bool err = line[0] == '!';
      text += "data: {\"line\":\"" + line.substr(err) + "\",\"timestamp\":1,\"stream\":\"" +
              (err ? "stderr" : "stdout") + "\"}\n\n";
    }
    return test::events(text + "data: {\"exit_code\":0}\n\n");
  }

  Reply reply(const Seen& request) {
    auto special = fault(request);
    KJ_IF_MAYBE (r, special) return *r;
    if (request.method == "GET") return status.empty() ? json(404, "") : json(200, describe());
    if (request.path == "/api/v1/processes/run") {
      if (status == "suspended") return error(503, "SANDBOX_NOT_RUNNING");
      if (status != "running") return error(404, "SANDBOX_NOT_FOUND");
      if (isInstallation(request)) return printed({"ok"});
      ++runs;
      // What the helper prints for a script that prints "ok".
      return printed({"p 9 0123456789abcdef", "d 0 b2s=", "e 1", "!e 0", "x 0"});
    }
    if (request.line() == "POST /api/v1/processes") {
      return json(201, "{\"pid\":8,\"status\":\"running\",\"command\":\"k\",\"started_at\":1}");
    }
    if (request.line() == "DELETE " + BASE + "/" + id) {
      status = "";
      return json(200, "{}");
    }
    if (request.path == BASE + "/" + id + "/suspend") {
      status = "suspended";
      return json(202, "");
    }
    if (request.path == BASE + "/" + id + "/resume") {
      status = "running";
      return json(202, "");
    }
    if (request.line() == "POST " + BASE) {
      status = "running";
      return json(200, describe());
    }
    return json(500, "not scripted: " + request.line());
  }

  kj::String script() {
    auto captured = wait(session->workspace().runScript("echo", {}));
    return kj::heapString(captured.output.asChars());
  }
  ErrorKind failedScript() {
    try {
      script();
    } catch (kj::Exception& e) {
      return kindOf(e);
    }
    throw std::runtime_error("nothing was thrown");
  }
  size_t creations() { return server.count("POST " + BASE); }

  Events events;
  kj::Own<Sessions> sessions;
  kj::Own<Session> session;
};

}  // namespace

TEST_CASE("a call that finds the sandbox suspended resumes it and is made again, once") {
  OneSandbox w;
  CHECK(w.script() == "ok");
  w.status = "suspended";
  CHECK(w.script() == "ok");
  CHECK(w.runs == 2);
  CHECK(w.creations() == 1);
  CHECK(w.events.seen ==
        std::vector<SessionEventKind>{SessionEventKind::CREATED, SessionEventKind::RESUMED});
}

TEST_CASE("a sandbox found suspending, by any of the answers that say so, is waited for and resumed") {
  OneSandbox w;
  CHECK(w.script() == "ok");
  auto answer = GENERATE(error(400, "SANDBOX_NOT_RUNNING"), error(503, "SANDBOX_NOT_RUNNING"),
                         error(409, "SANDBOX_NOT_RUNNING"), error(404, "SANDBOX_NOT_FOUND"),
                         json(404, "no such sandbox"));
  INFO(answer.bytes);
  w.status = "suspending";
  int looks = 0;
  w.fault = [&](const Seen& request) -> kj::Maybe<Reply> {
    if (request.method == "GET" && w.status == "suspending" && ++looks == 4) w.status = "suspended";
    if (request.path == "/api/v1/processes/run" && w.status != "running") return answer;
    return nullptr;
  };
  CHECK(w.script() == "ok");
  CHECK(w.runs == 2);
  CHECK(w.server.count("POST " + BASE + "/box1/resume") == 1);
  CHECK(w.creations() == 1);
}

TEST_CASE("routing that went stale is refreshed by the first answer that betrays it") {
  OneSandbox w;
  CHECK(w.script() == "ok");
  // Somebody else suspended and resumed it; its old route leads nowhere.
  w.hint = "hint-2";
  auto answer = GENERATE(error(404, "SANDBOX_NOT_FOUND"), json(404, "not here"),
                         error(503, "SANDBOX_UNREACHABLE"), error(502, "CONNECTION_REFUSED"));
  INFO(answer.bytes);
  w.fault = [&](const Seen& request) -> kj::Maybe<Reply> {
    bool stale = request.path == "/api/v1/processes/run" &&
                 !request.has("X-Tensorlake-Route-Hint: hint-2");
    if (stale) return answer;
    return nullptr;
  };
  auto before = w.server.count("POST /api/v1/processes/run");
  CHECK(w.script() == "ok");
  // Not for as long as a roll-out is waited for: four attempts, a look, and the right one.
  CHECK(w.server.count("POST /api/v1/processes/run") <= before + 5);
  CHECK(w.runs == 2);
  CHECK(w.creations() == 1);
}

TEST_CASE("routing that went stale is refreshed for a read too, though its answer says nothing") {
  OneSandbox w;
  CHECK(w.script() == "ok");
  w.hint = "hint-2";
  int reads = 0;
  w.fault = [&](const Seen& request) -> kj::Maybe<Reply> {
    if (request.path.find("/api/v1/files") != 0) return nullptr;
    ++reads;
    if (!request.has("X-Tensorlake-Route-Hint: hint-2")) return json(503, "<html>unavailable</html>");
    return json(200, "content");
  };
  auto stream = w.wait(w.session->workspace().readFile("/x"));
  CHECK(w.wait(stream->readAllText()) == "content");
  CHECK(reads <= 5);
}

TEST_CASE("a missing file is no reason to look for the sandbox again") {
  OneSandbox w;
  CHECK(w.script() == "ok");
  auto answer = GENERATE(error(404, "NOT_FOUND"), json(404, "{\"error\":\"not found\"}"));
  INFO(answer.bytes);
  int reads = 0;
  w.fault = [&](const Seen& request) -> kj::Maybe<Reply> {
    if (request.path.find("/api/v1/files") != 0) return nullptr;
    ++reads;
    return answer;
  };
  try {
    w.wait(w.session->workspace().readFile("/x"));
    FAIL("it was read");
  } catch (kj::Exception& e) {
    CHECK(kindOf(e) == ErrorKind::NOT_FOUND);
  }
  CHECK(reads == 1);
}

TEST_CASE("a sandbox that runs without being reachable yet is tried for a while") {
  OneSandbox w;
  CHECK(w.script() == "ok");
  int refusals = 0;
  w.fault = [&](const Seen& request) -> kj::Maybe<Reply> {
    if (request.path == "/api/v1/processes/run" && ++refusals <= 6)
      return error(503, "SANDBOX_NOT_RUNNING");
    return nullptr;
  };
  CHECK(w.script() == "ok");
  CHECK(w.runs == 2);
}

TEST_CASE("a bridge that crashes between a creation and its answer leaves a sandbox that the next one finds") {
  OneSandbox w;
  bool seen = false;
  int looks = 0;
  w.fault = [&](const Seen& request) -> kj::Maybe<Reply> {
    if (request.line() == "POST " + BASE) {
      seen = true;
      w.status = "pending";
      return silent();
    }
    if (request.method == "GET" && w.status == "pending" && ++looks == 3) w.status = "running";
    return nullptr;
  };
  auto preparing = w.session->prepare();
  while (!seen) w.wait(w.io.provider->getTimer().afterDelay(1 * kj::MILLISECONDS));
  preparing = nullptr;
  w.session = nullptr;
  w.sessions->removeObserver(w.events);
  w.sessions = nullptr;
  w.connectWith(kj::str("secret-key-42"));

  w.sessions = newSessions(*w.client, w.io.provider->getTimer());
  w.sessions->addObserver(w.events);
  w.session = w.sessions->get("s", SandboxOptions());
  CHECK(w.script() == "ok");
  CHECK(w.creations() == 1);
  CHECK(w.events.seen == std::vector<SessionEventKind>{SessionEventKind::CONNECTED});
}

TEST_CASE("every request of a session's life has a trace id that no other has") {
  OneSandbox w;
  w.script();
  w.wait(w.session->suspend());
  w.status = "suspended";
  w.script();
  w.wait(w.session->destroy());
  std::set<std::string> ids;
  for (auto& request : w.server.seen) {
    INFO(request.line());
    auto at = request.head.find("\r\ntraceparent: 00-");
    REQUIRE(at != std::string::npos);
    auto id = request.head.substr(at + 18, 32 + 1 + 16);
    CHECK(id.find_first_not_of("0123456789abcdef-") == std::string::npos);
    ids.insert(id);
  }
  CHECK(ids.size() == w.server.seen.size());
}

TEST_CASE("a call on a cached sandbox costs one request") {
  OneSandbox w;
  w.script();
  auto before = w.server.seen.size();
  w.script();
  CHECK(w.server.seen.size() == before + 1);
}

TEST_CASE(
    "a terminated sandbox is lost, is told once, and its successor is made by the next call") {
  OneSandbox w;
  w.script();
  w.status = "terminated";
  CHECK(w.failedScript() == ErrorKind::SANDBOX_LOST);
  w.id = "box2";
  CHECK(w.script() == "ok");
  CHECK(w.creations() == 2);
  CHECK(w.events.seen == std::vector<SessionEventKind>{SessionEventKind::CREATED,
                                                       SessionEventKind::LOST,
                                                       SessionEventKind::CREATED});
}

TEST_CASE("a terminated sandbox that this session never had is no loss") {
  OneSandbox w;
  w.status = "terminated";
  CHECK(w.script() == "ok");
  CHECK(w.events.seen == std::vector<SessionEventKind>{SessionEventKind::CREATED});
}

TEST_CASE("a transient error never means that the sandbox is gone") {
  OneSandbox w;
  w.script();
  bool lookUpFails = GENERATE(true, false);
  w.fault = [&](const Seen& request) -> kj::Maybe<Reply> {
    if (request.path == "/api/v1/processes/run") return json(502, "bad gateway");
    if (request.method == "GET" && lookUpFails) return json(500, "control plane away");
    return nullptr;
  };
  CHECK(w.failedScript() == ErrorKind::INTERRUPTED);
  w.fault = [](const Seen&) -> kj::Maybe<Reply> { return nullptr; };
  CHECK(w.script() == "ok");
  CHECK(w.creations() == 1);
  CHECK(w.events.seen == std::vector<SessionEventKind>{SessionEventKind::CREATED});
}

TEST_CASE("a command whose answer was lost is never started again but by the keeper that knows") {
  OneSandbox w;
  w.script();
  w.fault = [&](const Seen& request) -> kj::Maybe<Reply> {
    if (request.path == "/api/v1/processes/run") return cutEvents("data: {\"pid\":9}\n\n");
    return nullptr;
  };
  auto before = w.server.seen.size();
  CHECK(w.failedScript() == ErrorKind::INTERRUPTED);
  size_t first = 0, again = 0;
  for (size_t i = before; i < w.server.seen.size(); ++i) {
    auto& request = w.server.seen[i];
    if (request.path != "/api/v1/processes/run") continue;
    bool guarded = request.body.find("\"only=0123456789abcdef\"") != std::string::npos;
    ++(guarded ? again : first);
  }
  CHECK(first == 1);
  CHECK(again > 1);
}

TEST_CASE("a command that breaks off because its sandbox ended says so") {
  OneSandbox w;
  w.script();
  w.fault = [&](const Seen& request) -> kj::Maybe<Reply> {
    if (request.path != "/api/v1/processes/run") return nullptr;
    w.status = "terminated";
    return cutEvents("data: {\"pid\":9}\n\n");
  };
  CHECK(w.failedScript() == ErrorKind::SANDBOX_LOST);
}

TEST_CASE("a failed creation is forgotten: the next call tries again") {
  OneSandbox w;
  w.fault = [&](const Seen& request) -> kj::Maybe<Reply> {
    if (request.line() == "POST " + BASE) return json(402, "quota");
    return nullptr;
  };
  CHECK(w.failedScript() == ErrorKind::FAILED);
  w.fault = [](const Seen&) -> kj::Maybe<Reply> { return nullptr; };
  CHECK(w.script() == "ok");
}

TEST_CASE("callers that give up do not cancel a creation that others wait for") {
  OneSandbox w;
  auto first = w.session->prepare();
  auto second = w.session->prepare();
  first = nullptr;
  CHECK(w.wait(kj::mv(second)).status == "running");
  CHECK(w.creations() == 1);
}

TEST_CASE("a deletion that fails is told, and can be repeated") {
  OneSandbox w;
  w.script();
  w.fault = [&](const Seen& request) -> kj::Maybe<Reply> {
    if (request.method == "DELETE") return json(403, "no");
    return nullptr;
  };
  CHECK_THROWS(w.wait(w.session->destroy()));
  CHECK(w.status == "running");
  w.fault = [](const Seen&) -> kj::Maybe<Reply> { return nullptr; };
  w.wait(w.session->destroy());
  CHECK(w.status == "");
  CHECK(w.events.seen.back() == SessionEventKind::DELETED);
}

TEST_CASE("a new sandbox gets no environment and no key") {
  OneSandbox w;
  w.script();
  for (auto& request : w.server.seen) {
    if (request.line() != "POST " + BASE && request.path != "/api/v1/processes/run") continue;
    CHECK(request.body.find("secret-key-42") == std::string::npos);
    if (!OneSandbox::isInstallation(request)) {
      CHECK(request.body.find("\"env\"") == std::string::npos);
    }
  }
}

TEST_CASE("a workspace that the image's user cannot make is made by root") {
  OneSandbox w;
  int commands = 0;
  bool rootMadeIt = false;
  w.fault = [&](const Seen& request) -> kj::Maybe<Reply> {
    if (request.path != "/api/v1/processes/run" || OneSandbox::isInstallation(request)) {
      return nullptr;
    }
    auto line = [](const char* text) {
      return "data: {\"line\":\"" + std::string(text) +
             "\",\"timestamp\":1,\"stream\":\"stdout\"}\n\n";
    };
    if (request.body.find("\"user\":\"root\"") != std::string::npos) {
      rootMadeIt = request.body.find("mkdir -p") != std::string::npos;
      return test::events("data: {\"pid\":7}\n\ndata: {\"exit_code\":0}\n\n");
    }
    ++commands;
    if (!rootMadeIt)
      return test::events("data: {\"pid\":8}\n\n" + line("w missing") +
                          "data: {\"exit_code\":0}\n\n");
    return test::events("data: {\"pid\":9}\n\n" + line("p 10") + line("e 0") + line("x 0") +
                        "data: {\"exit_code\":0}\n\n");
  };
  struct Nothing final : public OutputReceiver {
    kj::Promise<void> stdoutChunk(kj::ArrayPtr<const kj::byte>) override { return kj::READY_NOW; }
    kj::Promise<void> stderrChunk(kj::ArrayPtr<const kj::byte>) override { return kj::READY_NOW; }
  } nothing;
  WorkspaceCommand command;
  command.argv = kj::arr(kj::str("true"));
  command.mergeStderr = true;
  auto process = w.wait(w.session->workspace().start(kj::mv(command), nothing));
  CHECK(w.wait(process->wait()).success());
  CHECK(commands == 2);
}

TEST_CASE("session ids that cannot be are refused") {
  OneSandbox w;
  CHECK_THROWS(w.sessions->get("", SandboxOptions()));
  CHECK_THROWS(w.sessions->get(kj::str(kj::repeat('x', 70000)), SandboxOptions()));
  CHECK(w.sessions->get(kj::str(kj::repeat('x', 60000)), SandboxOptions()).get() != nullptr);
}
