// What survives the death of the server, and what is cleaned up after it.

#include "localcloud/cloud-fixture.h"
#include "localcloud/sandbox-record.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace sandbridge::localcloud::test {
namespace {

using kj::HttpMethod;

std::string recordPath(Cloud& cloud, const std::string& id) {
  return cloud.dir + "/sandboxes/" + id + ".json";
}

TEST_CASE("names, states and specifications survive the death of the server") {
  Cloud cloud;
  auto running = cloud.create("runs", R"(,"timeout_secs":77)");
  auto suspended = cloud.create("sleeps");
  auto ephemeral = cloud.create();
  cloud.post("/sandboxes/sleeps/suspend");
  cloud.await(suspended, "suspended");
  auto before = cloud.get("/sandboxes/runs").json();

  cloud.restart();
  auto info = cloud.get("/sandboxes/runs");
  CHECK(info.text("id") == running);
  CHECK(info.text("status") == "running");
  CHECK(info.json()["timeout_secs"].GetInt() == 77);
  CHECK(info.json()["created_at"] == before["created_at"]);
  CHECK(cloud.statusOf("sleeps") == "suspended");
  CHECK(cloud.statusOf(ephemeral) == "running");
  CHECK(cloud.machine.boxes.at(running).starts == 1);
  CHECK(cloud.inside("runs", HttpMethod::GET, "/api/v1/info").status == 200);
  CHECK(cloud.inside("sleeps", HttpMethod::GET, "/api/v1/info").status == 200);
  CHECK(cloud.statusOf("sleeps") == "running");
}

TEST_CASE("after a reboot named sandboxes start again on their files, ephemeral ones are over") {
  Cloud cloud;
  auto named = cloud.create("probe");
  auto ephemeral = cloud.create();
  cloud.stop();
  for (auto& box: cloud.machine.boxes) box.second.running = false;
  cloud.restart();

  CHECK(cloud.statusOf("probe") == "suspended");
  CHECK(cloud.statusOf(ephemeral) == "terminated");
  cloud.until([&]() { return cloud.machine.boxes.count(ephemeral) == 0; });
  CHECK(cloud.inside("probe", HttpMethod::GET, "/api/v1/info").status == 200);
  CHECK(cloud.machine.boxes.at(named).starts == 2);
}

TEST_CASE("a creation that was cut half-way leaves nothing") {
  Cloud cloud;
  cloud.machine.slowStart = true;
  auto pending = cloud.call(HttpMethod::POST, "/sandboxes", R"({"name":"probe"})",
                            {"127.0.0.1", {{"X-Tensorlake-Request-Timeout-Ms", "20"}}})
                     .text("sandbox_id");
  cloud.machine.slowStart = false;
  cloud.machine.boxes["0000000000000000000zz"].running = true;  // a box whose record was never written
  cloud.restart();

  CHECK(cloud.statusOf(pending) == "terminated");
  CHECK(cloud.get("/sandboxes/probe").status == 404);
  cloud.until([&]() { return cloud.machine.boxes.empty(); });
  cloud.create("probe");
}

TEST_CASE("a creation that had finished but was not yet recorded as such is kept") {
  Cloud cloud;
  auto id = cloud.create("probe");
  cloud.stop();
  {
    std::ifstream in(recordPath(cloud, id));
    std::string text((std::istreambuf_iterator<char>(in)), {});
    auto at = text.find("\"running\"");
    REQUIRE(at != std::string::npos);
    std::ofstream(recordPath(cloud, id)) << text.replace(at, 9, "\"pending\"");
  }
  cloud.restart();
  CHECK(cloud.statusOf("probe") == "running");
}

TEST_CASE("a delete that was cut half-way is finished by the next server") {
  Cloud cloud;
  auto id = cloud.create("probe");
  cloud.machine.failRemove = 1000;
  auto request = cloud.send(HttpMethod::DELETE, "/sandboxes/probe", "", {});
  cloud.await(id, "terminated");
  cloud.stop();
  cloud.machine.failRemove = 0;
  cloud.restart();
  CHECK(cloud.statusOf(id) == "terminated");
  cloud.until([&]() { return cloud.machine.boxes.empty(); });
}

TEST_CASE("a damaged record costs nobody their files") {
  Cloud cloud;
  auto good = cloud.create("good");
  auto bad = cloud.create("bad");
  cloud.stop();
  std::ofstream(recordPath(cloud, bad)) << "{\"id\":";
  std::ofstream(cloud.dir + "/sandboxes/notes.txt") << "left alone";
  std::ofstream(recordPath(cloud, good) + ".new") << "half a wr";
  cloud.restart();
  CHECK(cloud.statusOf("good") == "running");
  CHECK(cloud.get("/sandboxes/bad").status == 404);
  CHECK(cloud.machine.boxes.count(bad) == 1);
  CHECK(std::filesystem::exists(recordPath(cloud, bad)));
  CHECK_FALSE(std::filesystem::exists(recordPath(cloud, good) + ".new"));
}

TEST_CASE("records are private to their owner") {
  Cloud cloud;
  auto id = cloud.create("probe");
  struct stat info;
  REQUIRE(stat(recordPath(cloud, id).c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("a record comes back from disk as it was") {
  Cloud cloud;
  RecordStore store((cloud.dir + "/deep/er").c_str());
  SandboxRecord record;
  record.id = newId();
  record.ns = kj::str("space");
  record.name = kj::str("probe");
  record.status = Status::SUSPENDED;
  record.image = kj::str("tensorlake/x");
  record.cpus = 1.5;
  record.memoryMb = 4000000000u;
  record.diskMb = 20000;
  record.timeoutSecs = 5;
  record.network.internet = false;
  record.entrypoint = kj::arr(kj::str("sh"), kj::str("a \"b\"\n\xc3\xa9"));
  record.createdAt = 1234567890123;
  record.errorDetails = kj::str("none");
  store.save(record);
  store.save(record);  // replaces

  auto loaded = store.load();
  REQUIRE(loaded.records.size() == 1);
  auto& back = loaded.records[0];
  CHECK(back.id == record.id);
  CHECK(back.ns == "space");
  CHECK(back.name == "probe");
  CHECK(back.status == Status::SUSPENDED);
  CHECK(back.cpus == 1.5);
  CHECK(back.memoryMb == 4000000000u);
  CHECK(back.timeoutSecs == 5);
  CHECK_FALSE(back.network.internet);
  REQUIRE(back.entrypoint.size() == 2);
  CHECK(back.entrypoint[1] == record.entrypoint[1]);
  CHECK(back.createdAt == 1234567890123);
  CHECK(back.errorDetails == "none");

  store.remove(record.id);
  store.remove(record.id);
  CHECK(store.load().records.size() == 0);
  CHECK_THROWS(store.remove("../escape"));
}

}  // namespace
}  // namespace sandbridge::localcloud::test
