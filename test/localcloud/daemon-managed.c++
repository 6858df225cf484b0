// Managed processes of the in-sandbox daemon: restarts, back-off, health checks, and how they are ended.

#include "daemon-fixture.h"

#include "base/json.h"

using namespace sandbridge;
using namespace sandbridge::localcloud;
using namespace sandbridge::localcloud::test;
using kj::HttpMethod;

namespace {

JsonDocument infoOf(Daemon& d, kj::StringPtr reference) {
  auto answer = d.request(HttpMethod::GET, kj::str("/processes/", reference));
  INFO(answer.body.cStr());
  REQUIRE(answer.status == 200);
  return parseJson(answer.body);
}

std::string managed(const JsonDocument& info, const char* field) {
  KJ_IF_MAYBE (m, getObject(info, "managed")) {
    KJ_IF_MAYBE (value, getMember(*m, field)) return toJson(*value).cStr();
  }
  return "none";
}

// Asks until it is so.
template <typename Condition>
JsonDocument await(Daemon& d, kj::StringPtr reference, Condition&& condition) {
  for (int i = 0; i < 1500; i++) {
    auto info = infoOf(d, reference);
    if (condition(info)) return info;
    d.timer().afterDelay(10 * kj::MILLISECONDS).wait(d.scope());
  }
  FAIL("it did not happen: " << toJson(infoOf(d, reference)).cStr());
  return JsonDocument();
}

JsonDocument awaitManaged(Daemon& d, kj::StringPtr reference, const char* field, std::string value) {
  return await(d, reference, [&](auto& info) { return managed(info, field) == value; });
}

int countOf(Daemon& d, kj::StringPtr name) {
  FILE* file = fopen(kj::str(d.folder.path, '/', name).cStr(), "re");
  if (file == nullptr) return 0;
  int lines = 0;
  for (int c; (c = fgetc(file)) != EOF;) lines += c == '\n';
  fclose(file);
  return lines;
}

// A port nobody listens on now.
int freePort(Daemon& d) {
  auto address = d.context().provider->getNetwork().parseAddress("127.0.0.1:0").wait(d.scope());
  return address->listen()->getPort();
}

}  // namespace

TEST_CASE("a process that fails is started again under its name, with another pid, as often as it may be") {
  Daemon d;
  auto pid = d.start("echo run >> runs; exit 3",
                     R"(,"name":"web 1","restart":{"policy":"on_failure","max_restarts":3,"initial_backoff_ms":20})");
  auto info = awaitManaged(d, "web%201", "status", "\"stopped\"");
  CHECK(countOf(d, "runs") == 4);
  CHECK(managed(info, "restart_count") == "3");
  CHECK(managed(info, "id") == "\"web 1\"");
  CHECK(managed(info, "name") == "\"web 1\"");
  CHECK(managed(info, "health_status") == "\"disabled\"");
  CHECK(managed(info, "restart") ==
        R"({"policy":"on_failure","max_restarts":3,"initial_backoff_ms":20,"max_backoff_ms":30000})");
  CHECK(managed(info, "last_exit").find(R"({"exit_code":3,"oom_killed":false,"ended_at":1)") == 0);
  CHECK(getInt(info, "exit_code").orDefault(-1) == 3);
  CHECK(kj::str(getInt(info, "pid").orDefault(0)) != pid);
  // Of the earlier ones the last is remembered.
  auto list = parseJson(d.request(HttpMethod::GET, "/processes").body);
  CHECK(KJ_ASSERT_NONNULL(getArray(list, "processes")).Size() == 2);
}

TEST_CASE("the policy decides which ends are followed by a restart") {
  Daemon d;
  struct Case {
    const char* policy;
    const char* script;
    int runs;
  };
  for (auto& c : {Case{"never", "exit 1", 1}, Case{"on_failure", "exit 0", 1}, Case{"on_failure", "kill -9 $$", 3},
                  Case{"always", "exit 0", 3}}) {
    auto name = kj::str(c.policy, c.runs, c.script[0]);
    d.start(kj::str("echo run >> '", name, "'; ", c.script),
            kj::str(R"(,"name":")", name, R"(","restart":{"policy":")", c.policy,
                    R"(","max_restarts":2,"initial_backoff_ms":5})"));
    awaitManaged(d, name, "status", "\"stopped\"");
    INFO(c.policy << ' ' << c.script);
    CHECK(countOf(d, name) == c.runs);
  }
}

TEST_CASE("without words about restarts a named process is managed: it starts again on failure, after 500 ms") {
  Daemon d;
  d.start("[ -e once ] && exit 0; : > once; exit 1", R"(,"name":"plain")");
  auto backing = await(d, "plain", [](auto& info) { return managed(info, "status") == "\"backing_off\""; });
  CHECK(managed(backing, "next_restart_at") != "none");
  CHECK(managed(backing, "restart") ==
        R"({"policy":"on_failure","initial_backoff_ms":500,"max_backoff_ms":30000})");
  CHECK(getString(backing, "status").orDefault("") == "exited");
  auto info = awaitManaged(d, "plain", "status", "\"stopped\"");
  CHECK(managed(info, "restart_count") == "1");
  CHECK(getInt(info, "exit_code").orDefault(-1) == 0);
  auto pid = d.start("exit 1");
  CHECK(!contains(d.ended(pid), "managed"));
}

TEST_CASE("back-off doubles up to its maximum") {
  Daemon d;
  d.start("date +%s%N >> times; exit 1",
          R"(,"name":"b","restart":{"max_restarts":3,"initial_backoff_ms":500,"max_backoff_ms":1500})");
  awaitManaged(d, "b", "status", "\"stopped\"");
  FILE* file = fopen(kj::str(d.folder.path, "/times").cStr(), "re");
  REQUIRE(file != nullptr);
  std::vector<long long> times;
  for (long long t; fscanf(file, "%lld", &t) == 1;) times.push_back(t / 1000000);
  fclose(file);
  REQUIRE(times.size() == 4);
  // Never sooner; how much later depends on the machine. (One that ran for longer than the maximum would begin anew, so the
  // maximum is far more than `date` takes on a busy machine.)
  int least[] = {500, 1000, 1500};
  for (int i = 0; i < 3; i++) CHECK(times[i + 1] - times[i] >= least[i] - 1);
}

TEST_CASE("DELETE stops a managed process for good, running or backing off") {
  Daemon d;
  auto more = R"(,"name":"svc","restart":{"policy":"always","initial_backoff_ms":50})";
  d.start("echo run >> runs; exec sleep 1000", more);
  for (int i = 0; i < 500 && countOf(d, "runs") == 0; i++) d.timer().afterDelay(10 * kj::MILLISECONDS).wait(d.scope());
  CHECK(d.request(HttpMethod::DELETE, "/processes/svc").status == 204);
  auto info = await(d, "svc", [](auto& i) { return getString(i, "status").orDefault("") == "signaled"; });
  CHECK(managed(info, "status") == "\"stopped\"");
  d.timer().afterDelay(200 * kj::MILLISECONDS).wait(d.scope());
  CHECK(countOf(d, "runs") == 1);

  d.start("exit 1", R"(,"name":"off","restart":{"initial_backoff_ms":1000})");
  awaitManaged(d, "off", "status", "\"backing_off\"");
  CHECK(d.request(HttpMethod::DELETE, "/processes/off").status == 204);
  d.timer().afterDelay(1300 * kj::MILLISECONDS).wait(d.scope());
  CHECK(managed(infoOf(d, "off"), "status") == "\"stopped\"");
  CHECK(managed(infoOf(d, "off"), "restart_count") == "0");
  // The name is free again.
  d.start("exec sleep 1000", more);
  CHECK(managed(infoOf(d, "svc"), "status") == "\"running\"");
  auto taken = d.request(HttpMethod::POST, "/processes", shellRequest("true", more));
  CHECK(taken.status == 400);
  CHECK(contains(taken.body, "a process named 'svc' is running"));
}

TEST_CASE("a managed process is restarted on request, whatever its policy; others are not") {
  Daemon d;
  auto pid = d.start("trap 'echo asked >> log; exit 0' TERM; echo run >> runs; while :; do sleep 0.02; done",
                     R"(,"name":"svc","restart":{"policy":"never"})");
  for (int i = 0; i < 500 && countOf(d, "runs") == 0; i++) d.timer().afterDelay(10 * kj::MILLISECONDS).wait(d.scope());
  auto answer = d.request(HttpMethod::POST, "/processes/svc/restart");
  INFO(answer.body.cStr());
  CHECK(answer.status == 200);
  auto info = parseJson(answer.body);
  CHECK(getString(info, "status").orDefault("") == "running");
  CHECK(kj::str(getInt(info, "pid").orDefault(0)) != pid);
  CHECK(managed(info, "restart_count") == "1");
  CHECK(countOf(d, "log") == 1);
  CHECK(d.request(HttpMethod::DELETE, "/processes/svc").status == 204);
  await(d, "svc", [](auto& i) { return getString(i, "status").orDefault("") == "signaled"; });
  CHECK(d.request(HttpMethod::POST, "/processes/svc/restart").status == 200);
  CHECK(managed(infoOf(d, "svc"), "status") == "\"running\"");

  auto plain = d.start("exec sleep 1000");
  auto refused = d.request(HttpMethod::POST, kj::str("/processes/", plain, "/restart"));
  CHECK(refused.status == 400);
  CHECK(contains(refused.body, "is not managed"));
}

TEST_CASE("a managed process that cannot be started again says so and is tried again") {
  Daemon d;
  auto script = kj::str(d.folder.path, "/script");
  auto write = [&](kj::StringPtr text) {
    int fd = open(script.cStr(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0755);
    REQUIRE(::write(fd, text.begin(), text.size()) == ssize_t(text.size()));
    close(fd);
  };
  write("#!/bin/sh\nrm \"$0\"\nexit 1\n");
  auto answer = d.request(HttpMethod::POST, "/processes",
                          kj::str(R"({"command":")", script, R"(","name":"s","restart":{"initial_backoff_ms":30,"max_backoff_ms":60}})"));
  REQUIRE(answer.status == 201);
  auto info = await(d, "s", [](auto& i) { return managed(i, "last_error") != "none"; });
  CHECK(managed(info, "last_error").find("No such file") != std::string::npos);
  write("#!/bin/sh\nexec sleep 1000\n");
  info = awaitManaged(d, "s", "status", "\"running\"");
  CHECK(managed(info, "last_error") == "none");
}

TEST_CASE("a health check turns healthy when the port answers, and unhealthy ones are restarted") {
  Daemon d;
  int port = freePort(d);
  bool http = GENERATE(true, false);
  // Well until the file is there. It may take seconds to start.
  auto server = kj::str(
      "const http = require('http'), net = require('net');"
      "const s = ", http ? "http.createServer((q, a) => { a.statusCode = q.url === '/up' && require('fs').existsSync('sick') ? 503 : 200; a.end('x'); })"
                         : "net.createServer((c) => c.end())",
      "; s.listen(", port, ", '127.0.0.1');"
      "setInterval(() => { if (", http ? "false" : "require('fs').existsSync('sick')", ") s.close(); }, 10);");
  rapidjson::StringBuffer text;
  rapidjson::Writer<rapidjson::StringBuffer> writer(text);
  writer.String(server.begin(), server.size());
  auto answer = d.request(
      HttpMethod::POST, "/processes",
      kj::str(R"({"command":"node","args":["-e",)", text.GetString(), R"(],"name":"web","restart":{"initial_backoff_ms":20},)",
              R"("health_check":{"type":")", http ? "http" : "tcp", R"(","port":)", port,
              R"(,"path":"/up","initial_delay_ms":1000,"interval_ms":50,"timeout_ms":3000,"failure_threshold":60}})"));
  INFO(answer.body.cStr());
  REQUIRE(answer.status == 201);
  auto pid = getInt(parseJson(answer.body), "pid").orDefault(0);
  awaitManaged(d, "web", "health_status", "\"healthy\"");
  close(open(kj::str(d.folder.path, "/sick").cStr(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  auto info = await(d, "web", [&](auto& i) { return getInt(i, "pid").orDefault(0) != pid; });
  CHECK(unlink(kj::str(d.folder.path, "/sick").cStr()) == 0);
  info = awaitManaged(d, "web", "health_status", "\"healthy\"");
  CHECK(managed(info, "consecutive_health_failures") == "0");
  CHECK(managed(info, "last_exit").find(R"({"signal":9,)") == 0);
}

TEST_CASE("an unhealthy process that is never restarted is said to be unhealthy, and goes on") {
  Daemon d;
  int port = freePort(d);
  d.start("exec sleep 1000", kj::str(R"(,"restart":{"policy":"never"},"name":"n","health_check":{"type":"tcp","port":)", port,
                                     R"(,"initial_delay_ms":1,"interval_ms":5,"failure_threshold":3})"));
  CHECK(managed(infoOf(d, "n"), "health_status") == "\"starting\"");
  auto info = awaitManaged(d, "n", "health_status", "\"unhealthy\"");
  CHECK(managed(info, "last_error") == kj::str("\"health check: port ", port, " does not answer\"").cStr());
  CHECK(getString(info, "status").orDefault("") == "running");
  CHECK(managed(info, "restart_count") == "0");
}

TEST_CASE("restart policies and health checks of the wrong shape are refused") {
  Daemon d;
  for (auto more : {R"(,"restart":1)", R"(,"restart":{"policy":"sometimes"})", R"(,"restart":{"max_restarts":-1})",
                    R"(,"restart":{"initial_backoff_ms":"1"})", R"(,"health_check":{})", R"(,"health_check":{"type":"udp","port":1})",
                    R"(,"health_check":{"type":"tcp"})", R"(,"health_check":{"type":"tcp","port":70000})"}) {
    INFO(more);
    CHECK(d.request(HttpMethod::POST, "/processes", shellRequest("true", more)).status == 422);
  }
  for (auto path : {"x", "/a b", "/a\\r\\nX: y"}) {
    auto more = kj::str(R"(,"health_check":{"type":"http","port":80,"path":")", path, "\"}");
    CHECK(d.request(HttpMethod::POST, "/processes", shellRequest("true", more)).status == 400);
  }
}

TEST_CASE("output of a managed process is kept under its pid, and its name means the newest") {
  Daemon d;
  auto pid = d.start("echo mine=$$; [ -e once ] && exec sleep 1000; : > once; exit 1",
                     R"(,"name":"o","restart":{"initial_backoff_ms":10})");
  auto info = await(d, "o", [&](auto& i) { return kj::str(getInt(i, "pid").orDefault(0)) != pid; });
  auto now = kj::str(getInt(info, "pid").orDefault(0));
  CHECK(contains(d.request(HttpMethod::GET, kj::str("/processes/", pid, "/stdout")).body, kj::str("mine=", pid)));
  for (int i = 0; i < 500; i++) {
    if (contains(d.request(HttpMethod::GET, "/processes/o/stdout").body, "mine=")) break;
    d.timer().afterDelay(10 * kj::MILLISECONDS).wait(d.scope());
  }
  CHECK(contains(d.request(HttpMethod::GET, "/processes/o/stdout").body, kj::str("mine=", now)));
  CHECK(d.request(HttpMethod::POST, "/processes/o/signal", "{\"signal\":9}").status == 200);
  await(d, "o", [&](auto& i) { return kj::str(getInt(i, "pid").orDefault(0)) != now; });
}
