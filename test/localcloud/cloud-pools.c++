// Pools: warm containers, claims, and what survives the death of the server.

#include "localcloud/cloud-fixture.h"

#include <filesystem>
#include <set>

namespace sandbridge::localcloud::test {
namespace {

using kj::HttpMethod;

std::string createPool(Cloud& cloud, const std::string& more) {
  auto reply = cloud.post("/sandbox-pools",
                          R"({"image":"tensorlake/ubuntu-minimal","resources":{"cpus":1.0,"memory_mb":1024,)"
                          R"("ephemeral_disk_mb":1024},"timeout_secs":0)" + more + "}");
  INFO(reply.body);
  REQUIRE(reply.status == 200);
  CHECK(reply.text("namespace") == "default");
  return reply.text("pool_id");
}

struct Counts {
  size_t idle = 0;
  size_t running = 0;
};

Counts countsOf(Cloud& cloud, const std::string& pool) {
  Counts counts;
  auto info = cloud.get("/sandbox-pools/" + pool).json();
  for (auto& container: info["containers"].GetArray()) {
    bool idle = std::string(container["state"].GetString()) == "Idle";
    CHECK(container.HasMember("sandbox_id") == !idle);
    (idle ? counts.idle : counts.running)++;
  }
  return counts;
}

std::set<std::string> boxesOf(Cloud& cloud) {
  std::set<std::string> ids;
  for (auto& box: cloud.machine.boxes) ids.insert(box.first);
  return ids;
}

size_t runningBoxes(Cloud& cloud) {
  size_t count = 0;
  for (auto& box: cloud.machine.boxes) count += box.second.running;
  return count;
}

size_t recordsOf(Cloud& cloud) {
  size_t count = 0;
  for (auto& entry: std::filesystem::directory_iterator(cloud.dir + "/sandboxes")) count += entry.exists();
  return count;
}

// Until the pool has so many idle ones, and all of them run.
void awaitIdle(Cloud& cloud, const std::string& pool, size_t idle) {
  cloud.until([&]() {
    auto counts = countsOf(cloud, pool);
    return counts.idle == idle && runningBoxes(cloud) == idle + counts.running;
  });
}

Reply claim(Cloud& cloud, const std::string& pool, const std::string& body = "") {
  return cloud.post("/sandbox-pools/" + pool + "/sandboxes", body);
}

TEST_CASE("a pool is described as it was made, and listed") {
  Cloud cloud;
  auto pool = createPool(cloud, R"(,"max_containers":3,"warm_containers":1,"entrypoint":["sleep","1"])");
  auto other = createPool(cloud, "");
  auto reply = cloud.get("/sandbox-pools/" + pool);
  CHECK(reply.text("id") == pool);
  CHECK(reply.text("image") == "tensorlake/ubuntu-minimal");
  auto json = reply.json();
  CHECK_FALSE(json.HasMember("pool_id"));  // with id it would be a duplicate field to the client
  CHECK(json["max_containers"].GetInt() == 3);
  CHECK(json["warm_containers"].GetInt() == 1);
  CHECK(json["timeout_secs"].GetInt() == 0);
  CHECK(json["resources"]["ephemeral_disk_mb"].GetInt() == 1024);
  CHECK(json["entrypoint"].Size() == 2);
  CHECK(json["created_at"].GetInt64() > 1600000000000);
  CHECK(json["network_policy"]["allow_internet_access"].GetBool());
  auto list = cloud.get("/v1/namespaces/default/sandbox-pools").json();
  REQUIRE(list["pools"].Size() == 2);
  CHECK(cloud.get("/v1/namespaces/other/sandbox-pools").json()["pools"].Empty());
  CHECK(cloud.get("/v1/namespaces/other/sandbox-pools/" + pool).status == 404);
  CHECK_FALSE(cloud.get("/sandbox-pools/" + other).json().HasMember("max_containers"));
}

TEST_CASE("warm containers run before they are claimed, and no client sees them as sandboxes") {
  Cloud cloud;
  auto pool = createPool(cloud, R"(,"warm_containers":2)");
  awaitIdle(cloud, pool, 2);
  CHECK(cloud.get("/sandboxes").json()["sandboxes"].Empty());
  auto id = cloud.machine.boxes.begin()->first;
  CHECK(cloud.get("/sandboxes/" + id).status == 404);
  CHECK(cloud.call(HttpMethod::DELETE, "/sandboxes/" + id).status == 404);
  CHECK(cloud.inside(id, HttpMethod::GET, "/api/v1/info").status == 404);
}

TEST_CASE("a claim takes a warm container and the pool makes another") {
  Cloud cloud;
  auto pool = createPool(cloud, R"(,"warm_containers":1)");
  awaitIdle(cloud, pool, 1);
  auto warm = cloud.machine.boxes.begin()->first;
  cloud.machine.slowStart = true;  // so that nothing but the warm one can answer
  auto claimed = claim(cloud, pool);
  CHECK(claimed.status == 200);
  CHECK(claimed.text("sandbox_id") == warm);
  CHECK(claimed.text("status") == "running");
  CHECK(claimed.text("sandbox_url") == cloud.url());
  CHECK_FALSE(claimed.json().HasMember("claim_configuration_applied"));
  CHECK(cloud.get("/sandboxes/" + warm).text("pool_id") == pool);
  CHECK(cloud.inside(warm, HttpMethod::GET, "/api/v1/info").status == 200);
  CHECK(countsOf(cloud, pool).running == 1);

  cloud.machine.slowStart = false;
  cloud.restart();  // the one whose start hung is replaced
  awaitIdle(cloud, pool, 1);
  CHECK(cloud.statusOf(warm) == "running");
}

TEST_CASE("a claim of a pool without a warm container starts one") {
  Cloud cloud;
  auto pool = createPool(cloud, "");
  auto claimed = claim(cloud, pool, "{}");
  CHECK(claimed.text("status") == "running");
  CHECK(claimed.json()["claim_configuration_applied"].GetBool());
  CHECK(countsOf(cloud, pool).running == 1);
  CHECK(countsOf(cloud, pool).idle == 0);
}

TEST_CASE("a claim does not silently leave out what it was asked for") {
  Cloud cloud;
  auto pool = createPool(cloud, "");
  auto mounts = claim(cloud, pool, R"({"file_systems":[{"file_system_id":"f","mount_path":"/m"}]})");
  CHECK(mounts.status == 501);
  CHECK(mounts.text("error") == "local sandboxes do not have shared file systems");
  CHECK(claim(cloud, pool, R"({"name":"x"})").status == 400);
  CHECK(claim(cloud, pool, "[").status == 400);
  CHECK(claim(cloud, pool, R"({"file_systems":[]})").json()["claim_configuration_applied"].GetBool());
  CHECK(countsOf(cloud, pool).running == 1);
}

TEST_CASE("a pool at its maximum lets claims wait for a place") {
  Cloud cloud;
  auto pool = createPool(cloud, R"(,"max_containers":1,"warm_containers":1)");
  awaitIdle(cloud, pool, 1);
  auto first = claim(cloud, pool).text("sandbox_id");
  // Nothing warm beside it: that would be one too many.
  CHECK(countsOf(cloud, pool).idle == 0);

  Options impatient{"127.0.0.1", {{"X-Tensorlake-Request-Timeout-Ms", "30"}}};
  auto late = cloud.call(HttpMethod::POST, "/sandbox-pools/" + pool + "/sandboxes", "", impatient);
  CHECK(late.status == 504);
  CHECK(late.text("status") == "timeout");
  CHECK(late.text("sandbox_id").size() == 21);
  CHECK(cloud.call(HttpMethod::DELETE, "/sandboxes/" + late.text("sandbox_id")).status == 404);

  auto waiting = cloud.send(HttpMethod::POST, "/sandbox-pools/" + pool + "/sandboxes", "", {});
  auto alsoWaiting = cloud.send(HttpMethod::POST, "/sandbox-pools/" + pool + "/sandboxes", "", {});
  CHECK(cloud.call(HttpMethod::DELETE, "/sandboxes/" + first).status == 200);
  auto second = waiting.wait(cloud.io.waitScope);
  CHECK(second.text("status") == "running");
  CHECK_FALSE(alsoWaiting.poll(cloud.io.waitScope));
  CHECK(cloud.call(HttpMethod::DELETE, "/sandboxes/" + second.text("sandbox_id")).status == 200);
  CHECK(alsoWaiting.wait(cloud.io.waitScope).text("status") == "running");
}

TEST_CASE("claims that wait are told when their pool is deleted, and let in when it grows") {
  Cloud cloud;
  auto pool = createPool(cloud, R"(,"max_containers":1)");
  auto held = claim(cloud, pool).text("sandbox_id");
  auto waiting = cloud.send(HttpMethod::POST, "/sandbox-pools/" + pool + "/sandboxes", "", {});
  CHECK_FALSE(waiting.poll(cloud.io.waitScope));
  CHECK(cloud.call(HttpMethod::PUT, "/sandbox-pools/" + pool, R"({"max_containers":2})").status == 200);
  auto second = waiting.wait(cloud.io.waitScope).text("sandbox_id");
  CHECK(cloud.statusOf(second) == "running");

  CHECK(cloud.call(HttpMethod::PUT, "/sandbox-pools/" + pool, R"({"max_containers":1})").status == 200);
  auto doomed = cloud.send(HttpMethod::POST, "/sandbox-pools/" + pool + "/sandboxes", "", {});
  CHECK_FALSE(doomed.poll(cloud.io.waitScope));
  // Its boxes cannot be removed yet, so that no place becomes free before the pool is gone.
  cloud.machine.failRemove = 100;
  auto one = cloud.send(HttpMethod::DELETE, "/sandboxes/" + held, "", {});
  auto two = cloud.send(HttpMethod::DELETE, "/sandboxes/" + second, "", {});
  cloud.until([&]() { return countsOf(cloud, pool).running == 0; });
  CHECK(cloud.call(HttpMethod::DELETE, "/sandbox-pools/" + pool).status == 200);
  CHECK(doomed.wait(cloud.io.waitScope).status == 404);
}

TEST_CASE("a pool with sandboxes in use is not deleted; without them it goes with its idle containers") {
  Cloud cloud;
  auto pool = createPool(cloud, R"(,"warm_containers":2)");
  awaitIdle(cloud, pool, 2);
  auto id = claim(cloud, pool).text("sandbox_id");
  auto refused = cloud.call(HttpMethod::DELETE, "/sandbox-pools/" + pool);
  CHECK(refused.status == 409);
  CHECK(refused.code() == "POOL_IN_USE");
  CHECK(cloud.statusOf(id) == "running");

  CHECK(cloud.call(HttpMethod::DELETE, "/sandboxes/" + id).status == 200);
  CHECK(cloud.call(HttpMethod::DELETE, "/sandbox-pools/" + pool).status == 200);
  CHECK(cloud.get("/sandbox-pools/" + pool).status == 404);
  CHECK(cloud.get("/sandbox-pools").json()["pools"].Empty());
  cloud.until([&]() { return cloud.machine.boxes.empty(); });
  // The sandbox is remembered, its neighbours never were any.
  CHECK(cloud.get("/sandboxes").json()["sandboxes"].Size() == 1);
  CHECK(recordsOf(cloud) == 1);
}

TEST_CASE("an update replaces idle containers that are made otherwise, and leaves claimed ones") {
  Cloud cloud;
  auto pool = createPool(cloud, R"(,"warm_containers":2)");
  awaitIdle(cloud, pool, 2);
  auto claimed = claim(cloud, pool).text("sandbox_id");
  awaitIdle(cloud, pool, 2);
  auto before = boxesOf(cloud);

  auto reply = cloud.call(HttpMethod::PUT, "/sandbox-pools/" + pool,
                          R"({"resources":{"cpus":2.0,"memory_mb":512},"warm_containers":1})");
  CHECK(reply.status == 200);
  CHECK(reply.json()["resources"]["memory_mb"].GetInt() == 512);
  CHECK(reply.json()["updated_at"].GetInt64() > reply.json()["created_at"].GetInt64());
  awaitIdle(cloud, pool, 1);
  CHECK(cloud.statusOf(claimed) == "running");
  auto fresh = claim(cloud, pool).text("sandbox_id");
  CHECK(before.count(fresh) == 0);
  CHECK(cloud.get("/sandboxes/" + fresh).json()["resources"]["memory_mb"].GetInt() == 512);
  CHECK(cloud.get("/sandboxes/" + claimed).json()["resources"]["memory_mb"].GetInt() == 1024);
}

TEST_CASE("pools, their idle containers and their claimed ones survive the death of the server") {
  Cloud cloud;
  auto pool = createPool(cloud, R"(,"max_containers":3,"warm_containers":2)");
  awaitIdle(cloud, pool, 2);
  auto claimed = claim(cloud, pool).text("sandbox_id");
  awaitIdle(cloud, pool, 2);
  auto before = cloud.get("/sandbox-pools/" + pool).body;

  cloud.restart();
  CHECK(cloud.get("/sandbox-pools/" + pool).body == before);
  CHECK(cloud.statusOf(claimed) == "running");
  auto next = claim(cloud, pool);
  CHECK(next.text("status") == "running");
  CHECK(cloud.machine.boxes.at(next.text("sandbox_id")).starts == 1);
  CHECK(countsOf(cloud, pool).running == 2);
}

TEST_CASE("what dies with the server half-way is cleaned up: a start, a pool's end") {
  Cloud cloud;
  cloud.machine.slowStart = true;
  auto pool = createPool(cloud, R"(,"warm_containers":1)");
  cloud.until([&]() { return recordsOf(cloud) == 1; });
  CHECK(countsOf(cloud, pool).idle == 0);
  cloud.machine.slowStart = false;
  cloud.restart();
  awaitIdle(cloud, pool, 1);
  CHECK(cloud.machine.boxes.size() == 1);

  cloud.stop();
  REQUIRE(std::filesystem::remove(cloud.dir + "/pools/" + pool + ".json"));
  cloud.restart();
  cloud.until([&]() { return cloud.machine.boxes.empty(); });
  CHECK(cloud.get("/sandboxes").json()["sandboxes"].Empty());
}

TEST_CASE("after a reboot idle containers are new ones, and claimed ones over") {
  Cloud cloud;
  auto pool = createPool(cloud, R"(,"warm_containers":1)");
  awaitIdle(cloud, pool, 1);
  auto claimed = claim(cloud, pool).text("sandbox_id");
  awaitIdle(cloud, pool, 1);
  auto before = boxesOf(cloud);
  cloud.stop();
  for (auto& box: cloud.machine.boxes) box.second.running = false;
  cloud.restart();
  CHECK(cloud.statusOf(claimed) == "terminated");
  awaitIdle(cloud, pool, 1);
  cloud.until([&]() { return cloud.machine.boxes.size() == 1; });
  CHECK(before.count(cloud.machine.boxes.begin()->first) == 0);
}

TEST_CASE("a warm container that dies is replaced, and starts that fail do not come one upon the other") {
  Cloud cloud;
  auto pool = createPool(cloud, R"(,"warm_containers":1)");
  awaitIdle(cloud, pool, 1);
  auto first = cloud.machine.boxes.begin()->first;
  cloud.machine.die(first);
  cloud.until([&]() { return cloud.machine.boxes.count(first) == 0; });
  awaitIdle(cloud, pool, 1);

  cloud.machine.failStart = true;
  auto removed = cloud.machine.removed.size();
  claim(cloud, pool);
  cloud.until([&]() { return cloud.machine.removed.size() > removed; });
  auto attempts = cloud.machine.removed.size();
  cloud.io.provider->getTimer().afterDelay(200 * kj::MILLISECONDS).wait(cloud.io.waitScope);
  CHECK(cloud.machine.removed.size() <= attempts + 1);
  cloud.machine.failStart = false;
  // An update is a new beginning.
  CHECK(cloud.call(HttpMethod::PUT, "/sandbox-pools/" + pool, R"({"warm_containers":1})").status == 200);
  cloud.until([&]() { return runningBoxes(cloud) == 2; });
}

TEST_CASE("idle containers do not time out; claimed ones do") {
  Cloud cloud;
  auto reply = cloud.post("/sandbox-pools", R"({"timeout_secs":1,"warm_containers":1})");
  auto pool = reply.text("pool_id");
  awaitIdle(cloud, pool, 1);
  auto warm = cloud.machine.boxes.begin()->first;
  cloud.io.provider->getTimer().afterDelay(1200 * kj::MILLISECONDS).wait(cloud.io.waitScope);
  CHECK(cloud.machine.boxes.at(warm).running);
  CHECK(claim(cloud, pool).text("sandbox_id") == warm);
  cloud.await(warm, "terminated");
  CHECK(cloud.get("/sandboxes/" + warm).text("termination_reason") == "Timeout");
}

TEST_CASE("pools are told what is wrong, and leave nothing behind") {
  Cloud cloud;
  auto [body, part] = GENERATE(table<std::string, std::string>({
      {"", "JSON object"},
      {R"({"name":"x"})", "name"},
      {R"({"image":"no/such"})", "no image"},
      {R"({"max_containers":0})", "max_containers"},
      {R"({"max_containers":1.5})", "max_containers"},
      {R"({"warm_containers":-1})", "warm_containers"},
      {R"({"warm_containers":1001})", "warm_containers"},
      {R"({"max_containers":1,"warm_containers":2})", "warm_containers"},
      {R"({"resources":{"ephemeral_disk_mb":0}})", "ephemeral_disk_mb"},
      {R"({"resources":{"cpus":-1}})", "cpus"},
  }));
  auto reply = cloud.post("/sandbox-pools", body);
  INFO(body << " -> " << reply.body);
  CHECK(reply.status == 400);
  CHECK(reply.text("error").find(part) != std::string::npos);
  CHECK(cloud.get("/sandbox-pools").json()["pools"].Empty());
}

TEST_CASE("a pool that does not exist is 404, and other methods are 405") {
  Cloud cloud;
  for (auto method: {HttpMethod::GET, HttpMethod::DELETE, HttpMethod::PUT}) {
    auto reply = cloud.call(method, "/sandbox-pools/nothing", method == HttpMethod::PUT ? "{}" : "");
    CHECK(reply.status == 404);
    CHECK(reply.code() == "POOL_NOT_FOUND");
  }
  CHECK(claim(cloud, "nothing").status == 404);
  auto pool = createPool(cloud, "");
  CHECK(cloud.call(HttpMethod::PATCH, "/sandbox-pools/" + pool, "{}").status == 405);
  CHECK(cloud.get("/sandbox-pools/" + pool + "/sandboxes").status == 405);
  CHECK(cloud.get("/sandbox-pools/" + pool + "/elsewhere").status == 404);
}

}  // namespace
}  // namespace sandbridge::localcloud::test
