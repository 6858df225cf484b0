// The lifecycle API over HTTP: states, codes and shapes.

#include "localcloud/cloud-fixture.h"

#include <set>

namespace sandbridge::localcloud::test {
namespace {

using kj::HttpMethod;

TEST_CASE("create answers running at once with everything the official client needs") {
  Cloud cloud;
  auto reply = cloud.post("/v1/namespaces/default/sandboxes",
                          R"({"name":"probe-1","resources":{"cpus":2.0,"memory_mb":2048,"disk_mb":20480},)"
                          R"("timeout_secs":120,"network":{"allow_internet_access":false}})");
  REQUIRE(reply.status == 200);
  CHECK(reply.contentType == "application/json");
  CHECK(reply.text("status") == "running");
  CHECK(reply.text("name") == "probe-1");
  CHECK(reply.text("sandbox_url") == cloud.url());
  CHECK(reply.text("routing_hint") != "<none>");
  CHECK(reply.text("id") == "<none>");  // with sandbox_id it would be a duplicate field to the client
  auto id = reply.text("sandbox_id");
  CHECK(id.size() == 21);
  CHECK(id.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz") == std::string::npos);
  CHECK(cloud.machine.boxes.at(id).running);
}

TEST_CASE("get answers by id and by name with a SandboxInfo that the official client can read") {
  Cloud cloud;
  auto id = cloud.create("probe-1", R"(,"timeout_secs":120,"entrypoint":null)");
  for (auto path: {"/sandboxes/" + id, std::string("/sandboxes/probe-1"),
                   std::string("/v1/namespaces/default/sandboxes/probe-1")}) {
    auto reply = cloud.get(path);
    REQUIRE(reply.status == 200);
    auto json = reply.json();
    CHECK(reply.text("id") == id);
    CHECK_FALSE(json.HasMember("sandbox_id"));
    CHECK(reply.text("namespace") == "default");
    CHECK(json["resources"]["cpus"].GetDouble() == 1.0);
    CHECK(json["resources"]["memory_mb"].GetInt() == 1024);
    CHECK(json["timeout_secs"].GetInt() == 120);
    CHECK(json["created_at"].GetInt64() > 1600000000000);
    CHECK(json["file_systems"].IsArray());
    CHECK(json["allow_unauthenticated_access"].IsBool());
    CHECK(json["network"]["allow_internet_access"].GetBool());
    CHECK(json["network"] == json["network_policy"]);
  }
}

TEST_CASE("what does not exist is 404, in the shape of an error") {
  Cloud cloud;
  for (auto method: {HttpMethod::GET, HttpMethod::DELETE, HttpMethod::PATCH}) {
    auto reply = cloud.call(method, "/sandboxes/nobody", method == HttpMethod::PATCH ? "{}" : "");
    CHECK(reply.status == 404);
    CHECK(reply.code() == "SANDBOX_NOT_FOUND");
    CHECK(reply.text("error") == "there is no sandbox 'nobody'");
  }
  CHECK(cloud.post("/sandboxes/nobody/suspend").status == 404);
  CHECK(cloud.post("/sandboxes/nobody/resume").status == 404);
  CHECK(cloud.get("/elsewhere").status == 404);
}

TEST_CASE("a name is taken once in a namespace, and free again after the end") {
  Cloud cloud;
  auto first = cloud.create("probe");
  auto conflict = cloud.post("/sandboxes", R"({"name":"probe"})");
  CHECK(conflict.status == 409);
  CHECK(conflict.code() == "NAME_CONFLICT");
  CHECK(cloud.post("/v1/namespaces/other/sandboxes", R"({"name":"probe"})").status == 200);

  CHECK(cloud.call(HttpMethod::DELETE, "/sandboxes/probe").status == 200);
  CHECK(cloud.get("/sandboxes/probe").status == 404);
  auto second = cloud.create("probe");
  CHECK(second != first);
  CHECK(cloud.get("/sandboxes/probe").text("id") == second);
}

TEST_CASE("namespaces do not see each other") {
  Cloud cloud;
  auto id = cloud.create("probe");
  CHECK(cloud.get("/v1/namespaces/other/sandboxes/probe").status == 404);
  CHECK(cloud.get("/v1/namespaces/other/sandboxes/" + id).status == 404);
  CHECK(cloud.get("/v1/namespaces/other/sandboxes").json()["sandboxes"].Empty());
  CHECK(cloud.get("/v1/namespaces/..%2f../sandboxes").status == 400);
}

TEST_CASE("bad requests are told what is wrong, and leave nothing behind") {
  Cloud cloud;
  auto [body, part] = GENERATE(table<std::string, std::string>({
      {"", "JSON object"},
      {"[]", "JSON object"},
      {"{", "JSON object"},
      {std::string(100000, '['), "JSON object"},
      {R"({"name":""})", "name"},
      {R"({"name":"../../etc"})", "name"},
      {R"({"name":"Upper"})", "name"},
      {R"({"name":"a b"})", "name"},
      {R"({"name":7})", "name"},
      {"{\"name\":\"" + std::string(64, 'a') + "\"}", "63"},
      {R"({"resources":[]})", "resources"},
      {R"({"resources":{"cpus":0}})", "cpus"},
      {R"({"resources":{"memory_mb":-1}})", "memory_mb"},
      {R"({"resources":{"disk_mb":5}})", "disk_mb"},
      {R"({"timeout_secs":1.5})", "timeout_secs"},
      {R"({"entrypoint":"sh"})", "entrypoint"},
      {R"({"entrypoint":["a\u0000b"]})", "entrypoint"},
      {R"({"network":true})", "network"},
  }));
  auto reply = cloud.post("/sandboxes", body);
  INFO(body.substr(0, 100) << " -> " << reply.body);
  CHECK(reply.status == 400);
  CHECK(reply.code() == "INVALID_REQUEST");
  CHECK(reply.text("error").find(part) != std::string::npos);
  CHECK(cloud.machine.boxes.empty());
  CHECK(cloud.get("/sandboxes").json()["sandboxes"].Empty());
}

TEST_CASE("a body over 1 MiB is refused before it is read") {
  Cloud cloud;
  auto reply = cloud.post("/sandboxes", std::string((1 << 20) + 1, ' '));
  CHECK(reply.status == 413);
}

TEST_CASE("what local sandboxes do not have is 501 and says so") {
  Cloud cloud;
  auto check = [](Reply reply) {
    INFO(reply.body);
    CHECK(reply.status == 501);
    CHECK(reply.code() == "NOT_IMPLEMENTED");
    CHECK(reply.text("error").find("local sandboxes do not have") == 0);
  };
  check(cloud.post("/sandboxes", R"({"file_systems":[{"file_system_id":"f","mount_path":"/m"}]})"));
  check(cloud.post("/sandboxes", R"({"resources":{"gpus":[{"count":1}]}})"));
}

TEST_CASE("an unknown image ends the sandbox with ImageNotFound, as in the service") {
  Cloud cloud;
  auto reply = cloud.post("/sandboxes", R"({"image":"my/own"})");
  CHECK(reply.status == 200);
  CHECK(reply.text("status") == "terminated");
  CHECK(reply.text("termination_reason") == "ImageNotFound");
  CHECK(reply.text("error_details").find("'my/own'") != std::string::npos);
  CHECK(cloud.machine.boxes.empty());
}

TEST_CASE("a start that fails answers terminated with the reason") {
  Cloud cloud;
  cloud.machine.failStart = true;
  auto reply = cloud.post("/sandboxes", R"({"name":"probe"})");
  CHECK(reply.status == 200);
  CHECK(reply.text("status") == "terminated");
  CHECK(reply.text("termination_reason") == "StartupFailed");
  CHECK(reply.text("error_details").find("no room for a box") != std::string::npos);
  // The name is free: the next try may succeed.
  cloud.machine.failStart = false;
  cloud.create("probe");
}

TEST_CASE("a start that takes longer than the client waits is 504 with status timeout") {
  Cloud cloud;
  cloud.machine.slowStart = true;
  auto reply = cloud.call(HttpMethod::POST, "/sandboxes", "{}",
                          {"127.0.0.1", {{"X-Tensorlake-Request-Timeout-Ms", "20"}}});
  CHECK(reply.status == 504);
  CHECK(reply.text("status") == "timeout");
  CHECK(cloud.statusOf(reply.text("sandbox_id")) == "pending");
}

TEST_CASE("suspend is asynchronous, keeps the box, and resume brings it back") {
  Cloud cloud;
  auto id = cloud.create("probe");
  auto reply = cloud.post("/sandboxes/probe/suspend");
  CHECK(reply.status == 202);
  CHECK(reply.text("status") == "suspending");
  cloud.await(id, "suspended");
  CHECK(cloud.machine.boxes.at(id).frozen);
  CHECK(cloud.post("/sandboxes/probe/suspend").status == 200);

  reply = cloud.post("/sandboxes/probe/resume");
  CHECK(reply.status == 202);
  cloud.await(id, "running");
  CHECK_FALSE(cloud.machine.boxes.at(id).frozen);
  CHECK(cloud.machine.boxes.at(id).starts == 1);
  CHECK(cloud.post("/sandboxes/probe/resume").status == 200);
}

TEST_CASE("suspend and resume need no Content-Length") {
  Cloud cloud;
  auto id = cloud.create("probe");
  // By hand: the HTTP client of the fixture always sends one.
  auto address = cloud.io.provider->getNetwork().parseAddress(kj::str("127.0.0.1:", cloud.port())).wait(cloud.io.waitScope);
  auto stream = address->connect().wait(cloud.io.waitScope);
  auto request = kj::str("POST /sandboxes/probe/suspend HTTP/1.1\r\nHost: localhost:", cloud.port(),
                         "\r\nConnection: close\r\n\r\n");
  stream->write(request.begin(), request.size()).wait(cloud.io.waitScope);
  auto answer = stream->readAllText().wait(cloud.io.waitScope);
  CHECK(std::string(answer.cStr()).find("HTTP/1.1 202 ") == 0);
  cloud.await(id, "suspended");
}

TEST_CASE("an ephemeral sandbox cannot be suspended until it is given a name") {
  Cloud cloud;
  auto id = cloud.create();
  auto reply = cloud.post("/sandboxes/" + id + "/suspend");
  CHECK(reply.status == 400);
  CHECK(reply.code() == "INVALID_STATE");

  reply = cloud.call(HttpMethod::PATCH, "/sandboxes/" + id, R"({"name":"kept"})");
  CHECK(reply.status == 200);
  CHECK(reply.text("name") == "kept");
  CHECK(cloud.post("/sandboxes/kept/suspend").status == 202);
  cloud.await("kept", "suspended");
}

TEST_CASE("renaming obeys the rules for names") {
  Cloud cloud;
  auto id = cloud.create("one");
  cloud.create("two");
  CHECK(cloud.call(HttpMethod::PATCH, "/sandboxes/one", R"({"name":"two"})").status == 409);
  CHECK(cloud.call(HttpMethod::PATCH, "/sandboxes/one", R"({"name":"/"})").status == 400);
  CHECK(cloud.call(HttpMethod::PATCH, "/sandboxes/one", R"({"name":"one"})").status == 200);
  CHECK(cloud.call(HttpMethod::PATCH, "/sandboxes/one", R"({"name":"three"})").status == 200);
  CHECK(cloud.get("/sandboxes/one").status == 404);
  CHECK(cloud.get("/sandboxes/three").text("id") == id);
  // What the official client sends along.
  CHECK(cloud.call(HttpMethod::PATCH, "/sandboxes/three",
                   R"({"allow_unauthenticated_access":false,"exposed_ports":[]})").status == 200);
}

TEST_CASE("a freeze that fails leaves the sandbox running, and says why") {
  Cloud cloud;
  auto id = cloud.create("probe");
  cloud.machine.failFreeze = true;
  CHECK(cloud.post("/sandboxes/probe/suspend").status == 202);
  cloud.await(id, "running");
  CHECK(cloud.get("/sandboxes/probe").text("error_details").find("cannot be frozen") != std::string::npos);
}

TEST_CASE("delete ends the processes, removes the files, and is idempotent") {
  Cloud cloud;
  auto id = cloud.create("probe");
  for (int i = 0; i < 2; i++) {
    CHECK(cloud.call(HttpMethod::DELETE, "/sandboxes/" + id, R"({"why":"a body is no harm"})").status == 200);
    CHECK(cloud.machine.boxes.empty());
  }
  CHECK(cloud.machine.removed == std::vector<std::string>{id});
  auto info = cloud.get("/sandboxes/" + id);
  CHECK(info.text("status") == "terminated");
  CHECK(info.json()["terminated_at"].GetInt64() > 0);
  CHECK(cloud.post("/sandboxes/" + id + "/resume").status == 400);
  CHECK(cloud.post("/sandboxes/" + id + "/suspend").status == 400);
  CHECK(cloud.call(HttpMethod::PATCH, "/sandboxes/" + id, R"({"name":"again"})").status == 400);
}

TEST_CASE("delete works on a suspended sandbox") {
  Cloud cloud;
  auto id = cloud.create("probe");
  cloud.post("/sandboxes/probe/suspend");
  cloud.await(id, "suspended");
  CHECK(cloud.call(HttpMethod::DELETE, "/sandboxes/probe").status == 200);
  CHECK(cloud.machine.boxes.empty());
}

TEST_CASE("delete in the middle of a suspend wins") {
  Cloud cloud;
  auto id = cloud.create("probe");
  auto suspend = cloud.send(HttpMethod::POST, "/sandboxes/probe/suspend", "", {});
  auto remove = cloud.send(HttpMethod::DELETE, "/sandboxes/" + id, "", {});
  CHECK(suspend.wait(cloud.io.waitScope).status == 202);
  CHECK(remove.wait(cloud.io.waitScope).status == 200);
  CHECK(cloud.statusOf(id) == "terminated");
  CHECK(cloud.machine.boxes.empty());
}

TEST_CASE("files that cannot be removed at once are tried again") {
  Cloud cloud;
  auto id = cloud.create("probe");
  cloud.machine.failRemove = 2;
  CHECK(cloud.call(HttpMethod::DELETE, "/sandboxes/probe").status == 200);
  CHECK(cloud.machine.boxes.empty());
}

TEST_CASE("an idle named sandbox is suspended, an idle ephemeral one ends") {
  Cloud cloud;
  auto named = cloud.create("probe", R"(,"timeout_secs":1)");
  auto ephemeral = cloud.create("", R"(,"timeout_secs":1)");
  // None of its own: the longest that the plan has.
  auto unbounded = cloud.create("", R"(,"timeout_secs":0)");
  cloud.await(named, "suspended");
  cloud.await(ephemeral, "terminated");
  CHECK(cloud.get("/sandboxes/" + ephemeral).text("termination_reason") == "Timeout");
  cloud.until([&]() { return cloud.machine.boxes.count(ephemeral) == 0; });
  CHECK(cloud.machine.boxes.at(named).frozen);
  CHECK(cloud.statusOf(unbounded) == "running");
  CHECK(cloud.get("/sandboxes/" + unbounded).json()["timeout_secs"].GetInt() == 0);
}

TEST_CASE("a sandbox whose processes end by themselves is suspended if named, terminated if not") {
  Cloud cloud;
  auto named = cloud.create("probe");
  auto ephemeral = cloud.create();
  cloud.machine.die(named);
  cloud.machine.die(ephemeral);
  cloud.await(named, "suspended");
  cloud.await(ephemeral, "terminated");
  CHECK(cloud.get("/sandboxes/" + ephemeral).text("termination_reason") == "ProcessesLost");

  // On its files, with fresh processes.
  CHECK(cloud.post("/sandboxes/probe/resume").status == 202);
  cloud.await(named, "running");
  CHECK(cloud.machine.boxes.at(named).starts == 2);
}

TEST_CASE("lists go through all pages, newest first, both ways") {
  Cloud cloud;
  std::vector<std::string> ids;
  for (int i = 0; i < 5; i++) ids.push_back(cloud.create());
  cloud.call(HttpMethod::DELETE, "/sandboxes/" + ids[2]);

  auto idsOf = [](const JsonDocument& json) {
    std::vector<std::string> result;
    for (auto& item: json["sandboxes"].GetArray()) result.push_back(item["id"].GetString());
    return result;
  };
  auto everything = cloud.get("/sandboxes").json();
  auto order = idsOf(everything);
  CHECK(std::set<std::string>(order.begin(), order.end()) == std::set<std::string>(ids.begin(), ids.end()));
  CHECK_FALSE(everything.HasMember("next_cursor"));
  CHECK_FALSE(everything.HasMember("prev_cursor"));

  std::vector<std::string> walked;
  std::string query = "limit=2";
  JsonDocument page;
  for (int i = 0; i < 3; i++) {
    page = cloud.get("/sandboxes?" + query).json();
    for (auto& id: idsOf(page)) walked.push_back(id);
    CHECK(page.HasMember("next_cursor") == (i < 2));
    CHECK(page.HasMember("prev_cursor") == (i > 0));
    if (i < 2) query = std::string("limit=2&direction=forward&cursor=") + page["next_cursor"].GetString();
  }
  CHECK(walked == order);
  page = cloud.get(std::string("/sandboxes?limit=2&direction=backward&cursor=") + page["prev_cursor"].GetString()).json();
  CHECK(idsOf(page) == std::vector<std::string>(order.begin() + 2, order.begin() + 4));

  CHECK(idsOf(cloud.get("/sandboxes?status=running").json()).size() == 4);
  CHECK(cloud.get("/sandboxes?status=suspended").status == 400);
  CHECK(cloud.get("/sandboxes?limit=0").status == 400);
  CHECK(cloud.get("/sandboxes?limit=-1").status == 400);
  CHECK(cloud.get("/sandboxes?cursor=%00").status == 400);
  CHECK(cloud.get("/sandboxes?cursor=AAAA").status == 400);
  CHECK(cloud.get("/sandboxes?direction=up").status == 400);
}

TEST_CASE("a page holds a hundred sandboxes at most") {
  Cloud cloud;
  for (int i = 0; i < 103; i++) cloud.create();
  auto sizeOf = [&](const char* query) { return cloud.get(std::string("/sandboxes") + query).json()["sandboxes"].Size(); };
  CHECK(sizeOf("") == 100);
  CHECK(sizeOf("?limit=103") == 100);
  CHECK(sizeOf("?limit=1") == 1);
  CHECK(sizeOf("?unknown=1") == 100);
  auto rest = cloud.get("/sandboxes").json();
  CHECK(sizeOf((std::string("?cursor=") + rest["next_cursor"].GetString()).c_str()) == 3);
}

TEST_CASE("DELETE with a body is taken, and what it asks for is told to be missing") {
  Cloud cloud;
  auto id = cloud.create("probe");
  for (auto method: {HttpMethod::POST, HttpMethod::DELETE}) {
    auto reply = cloud.call(method, "/sandboxes/" + id + "/file_systems", R"({"mount_path":"/mnt/a"})");
    CHECK(reply.status == 501);
    CHECK(reply.code() == "NOT_IMPLEMENTED");
  }
  CHECK(cloud.call(HttpMethod::GET, "/sandboxes/" + id + "/file_systems").status == 405);
  CHECK(cloud.call(HttpMethod::DELETE, "/sandboxes/" + id, R"({"mount_path":"/mnt/a"})").status == 200);
  CHECK(cloud.statusOf(id) == "terminated");
}

TEST_CASE("introspection answers the command-line client") {
  Cloud cloud;
  auto reply = cloud.post("/platform/v1/keys/introspect");
  CHECK(reply.status == 200);
  CHECK(reply.text("projectId") == "local");
  CHECK(reply.text("organizationId") == "local");
  CHECK(reply.text("id") == "local");
}

TEST_CASE("with an API key, nothing answers without it") {
  Cloud cloud(kj::str("sesame"));
  auto with = [&](const std::string& value) {
    return cloud.call(HttpMethod::GET, "/sandboxes", "", {"127.0.0.1", {{"Authorization", value}}}).status;
  };
  CHECK(with("Bearer sesame") == 200);
  CHECK(with("bearer sesame") == 200);
  CHECK(with("Bearer sesam") == 401);
  CHECK(with("Bearer sesame2") == 401);
  CHECK(with("sesame") == 401);
  auto reply = cloud.get("/sandboxes");
  CHECK(reply.status == 401);
  CHECK(reply.code() == "UNAUTHENTICATED");
  CHECK(reply.body.find("sesame") == std::string::npos);
  CHECK(cloud.post("/platform/v1/keys/introspect").status == 401);
  CHECK(cloud.inside("x", HttpMethod::GET, "/api/v1/health").status == 401);
}

TEST_CASE("web pages are refused: by Origin, and by foreign host names (DNS rebinding)") {
  Cloud cloud;
  auto id = cloud.create("probe");
  auto with = [&](const std::string& host, std::vector<std::pair<std::string, std::string>> headers = {}) {
    return cloud.call(HttpMethod::GET, "/sandboxes", "", {host, headers}).status;
  };
  auto port = std::to_string(cloud.port());
  CHECK(with("localhost:" + port) == 200);
  CHECK(with("127.0.0.1:" + port) == 200);
  CHECK(with("LOCALHOST") == 200);
  CHECK(with("evil.example") == 403);
  CHECK(with("127.0.0.1.evil.example") == 403);
  CHECK(with("local") == 403);
  CHECK(with("127.0.0.1", {{"Origin", "http://127.0.0.1"}}) == 403);
  CHECK(with("127.0.0.1", {{"Origin", "null"}}) == 403);
  CHECK(cloud.call(HttpMethod::GET, "/api/v1/health", "", {"probe.local", {{"Origin", "http://a"}}}).status == 403);
}

TEST_CASE("only loopback addresses that the official client knows as local are listened on") {
  Cloud cloud;
  auto address = GENERATE("0.0.0.0:0", "127.0.0.2:0", "[::1]:0", "*:0", "127.0.0.1", "localhost:99999",
                          "example.com:80", "127.0.0.1:-1", "unix:/tmp/x", "");
  auto boxes = newFakeBoxes(cloud.io, cloud.machine);
  CHECK_THROWS_WITH(startLocalCloud(cloud.io, kj::mv(boxes), address, cloud.dir.c_str(), nullptr)
                        .wait(cloud.io.waitScope),
                    Catch::Contains("127.0.0.1:PORT"));
}

}  // namespace
}  // namespace sandbridge::localcloud::test
