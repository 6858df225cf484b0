// Snapshots, restoring and copies over HTTP: states, codes, failures, and the death of the server in the middle.

#include "localcloud/cloud-fixture.h"

namespace sandbridge::localcloud::test {
namespace {

using kj::HttpMethod;

// Until it is released, snapshots are in progress.
struct Hold {
  explicit Hold(Cloud& cloud): cloud(cloud) {
    auto paf = kj::newPromiseAndFulfiller<void>();
    fulfiller = kj::mv(paf.fulfiller);
    cloud.machine.snapshotHeld = paf.promise.fork();
  }
  void release() {
    fulfiller->fulfill();
    cloud.machine.snapshotHeld = nullptr;
  }
  Cloud& cloud;
  kj::Own<kj::PromiseFulfiller<void>> fulfiller;
};

std::string take(Cloud& cloud, const std::string& sandbox) {
  auto reply = cloud.post("/sandboxes/" + sandbox + "/snapshot");
  REQUIRE(reply.status == 202);
  CHECK(reply.text("status") == "in_progress");
  return reply.text("snapshot_id");
}

std::string stateOf(Cloud& cloud, const std::string& snapshot) {
  return cloud.get("/snapshots/" + snapshot).text("status");
}

void awaitState(Cloud& cloud, const std::string& snapshot, const std::string& state) {
  cloud.until([&]() { return stateOf(cloud, snapshot) == state; });
}

TEST_CASE("a snapshot is in progress, then completed; its sandbox is snapshotting, then what it was") {
  Cloud cloud;
  REQUIRE(cloud.post("/sandboxes", R"({"name":"probe","resources":{"cpus":2,"memory_mb":512,"disk_mb":20480}})").status == 200);
  Hold hold(cloud);
  auto snapshot = take(cloud, "probe");
  CHECK(cloud.statusOf("probe") == "snapshotting");
  CHECK(stateOf(cloud, snapshot) == "in_progress");

  // It works on, and neither sleeps nor is copied twice.
  CHECK(cloud.inside("probe", HttpMethod::GET, "/api/v1/info").status == 200);
  for (auto path: {"/snapshot", "/copy", "/suspend", "/resume"}) {
    auto refused = cloud.post(std::string("/sandboxes/probe") + path);
    CHECK(refused.status == 400);
    CHECK(refused.text("error").find("status: snapshotting") != std::string::npos);
  }
  auto early = cloud.post("/sandboxes", R"({"snapshot_id":")" + snapshot + "\"}");
  CHECK(early.status == 400);
  CHECK(early.code() == "SNAPSHOT_NOT_READY");

  hold.release();
  awaitState(cloud, snapshot, "completed");
  CHECK(cloud.statusOf("probe") == "running");
  auto json = cloud.get("/v1/namespaces/default/snapshots/" + snapshot).json();
  CHECK(json["size_bytes"].GetInt() == 1000);
  CHECK(json["rootfs_disk_bytes"].GetInt64() == int64_t(20480) << 20);
  CHECK(json.HasMember("snapshot_uri"));
  CHECK(cloud.get("/snapshots").json()["snapshots"].Size() == 1);
  CHECK(cloud.get("/v1/namespaces/other/snapshots").json()["snapshots"].Size() == 0);
  CHECK(cloud.get("/v1/namespaces/other/snapshots/" + snapshot).status == 404);

  // What the creator leaves open is as in the snapshot.
  auto restored = cloud.post("/sandboxes", R"({"snapshot_id":")" + snapshot + "\"}");
  REQUIRE(restored.status == 200);
  auto info = cloud.get("/sandboxes/" + restored.text("sandbox_id")).json();
  CHECK(info["resources"]["cpus"].GetDouble() == 2);
  CHECK(info["resources"]["memory_mb"].GetInt() == 512);
  CHECK(info["resources"]["disk_mb"].GetInt() == 20480);
  CHECK(cloud.machine.boxes.at(restored.text("sandbox_id")).snapshot == snapshot);
  auto shrunk = cloud.post("/sandboxes", R"({"resources":{"disk_mb":10240},"snapshot_id":")" + snapshot + "\"}");
  CHECK(shrunk.status == 400);
}

TEST_CASE("a suspended sandbox is copied as it lies, and a request that comes meanwhile wakes it afterwards") {
  Cloud cloud;
  auto id = cloud.create("probe");
  cloud.post("/sandboxes/probe/suspend");
  cloud.await(id, "suspended");
  Hold hold(cloud);
  auto snapshot = take(cloud, "probe");
  CHECK(cloud.statusOf("probe") == "snapshotting");
  auto waits = cloud.send(HttpMethod::GET, "/api/v1/info", "", {"probe.local", {}});
  CHECK(cloud.statusOf("probe") == "snapshotting");
  CHECK(cloud.machine.boxes.at(id).frozen);
  hold.release();
  CHECK(waits.wait(cloud.io.waitScope).status == 200);
  awaitState(cloud, snapshot, "completed");
}

TEST_CASE("a snapshot that cannot be taken has failed, says why, and its sandbox goes on") {
  Cloud cloud;
  auto id = cloud.create("probe");
  cloud.machine.failSnapshot = true;
  auto snapshot = take(cloud, id);
  awaitState(cloud, snapshot, "failed");
  CHECK(cloud.get("/snapshots/" + snapshot).text("error").find("no room for a snapshot") != std::string::npos);
  CHECK(cloud.statusOf(id) == "running");
  auto refused = cloud.post("/sandboxes", R"({"snapshot_id":")" + snapshot + "\"}");
  CHECK(refused.status == 400);
  CHECK(refused.code() == "SNAPSHOT_FAILED");
  CHECK(cloud.call(HttpMethod::DELETE, "/snapshots/" + snapshot).status == 200);
  CHECK(cloud.get("/snapshots/" + snapshot).status == 404);
}

TEST_CASE("bad requests for snapshots are told what is wrong") {
  Cloud cloud;
  auto id = cloud.create("probe");
  auto memory = cloud.post("/sandboxes/probe/snapshot", R"({"snapshot_type":"memory"})");
  CHECK(memory.status == 400);
  CHECK(memory.code() == "UNSUPPORTED_SNAPSHOT_TYPE");
  CHECK(cloud.post("/sandboxes/probe/snapshot", R"({"snapshot_type":"disk"})").status == 400);
  CHECK(cloud.post("/sandboxes/probe/snapshot", "[]").status == 400);
  CHECK(cloud.post("/sandboxes/nobody/snapshot").status == 404);
  CHECK(cloud.get("/sandboxes/probe/snapshot").status == 405);
  CHECK(cloud.get("/snapshots/nothing").status == 404);
  CHECK(cloud.post("/sandboxes", R"({"snapshot_id":"../../x"})").status == 404);
  for (auto times: {"0", "-1", "65", "x", ""}) {
    CHECK(cloud.post(std::string("/sandboxes/probe/copy?times=") + times).status == 400);
  }
  CHECK(cloud.get("/snapshots").json()["snapshots"].Size() == 0);
  CHECK(cloud.post("/sandboxes/probe/snapshot", R"({"snapshot_type":"filesystem"})").status == 202);
  cloud.await(id, "running");
  cloud.call(HttpMethod::DELETE, "/sandboxes/probe");
  CHECK(cloud.post("/sandboxes/" + id + "/snapshot").status == 400);
}

TEST_CASE("a snapshot outlives its sandbox, and one that is deleted while it is taken leaves nothing") {
  Cloud cloud;
  auto id = cloud.create("probe");
  Hold hold(cloud);
  auto kept = take(cloud, id);
  auto ending = cloud.send(HttpMethod::DELETE, "/sandboxes/probe", "", {});
  cloud.await(id, "terminated");
  hold.release();
  CHECK(ending.wait(cloud.io.waitScope).status == 200);
  awaitState(cloud, kept, "completed");
  CHECK(cloud.statusOf(id) == "terminated");

  auto other = cloud.create("other");
  Hold again(cloud);
  auto dropped = take(cloud, other);
  CHECK(cloud.call(HttpMethod::DELETE, "/snapshots/" + dropped).status == 200);
  again.release();
  cloud.await(other, "running");
  cloud.until([&]() { return cloud.machine.snapshots == std::set<std::string>{kept}; });
}

TEST_CASE("after the death of the server a snapshot is ready if its files are there, and has failed otherwise") {
  Cloud cloud;
  auto id = cloud.create("probe");
  auto done = take(cloud, id);
  awaitState(cloud, done, "completed");
  cloud.machine.failSync = true;
  auto local = take(cloud, id);
  awaitState(cloud, local, "local_ready");
  Hold hold(cloud);
  auto cut = take(cloud, id);
  auto lucky = cut;
  SECTION("its files are not there") {}
  SECTION("its files are there") { cloud.machine.snapshots.insert(cut); }
  cloud.machine.snapshots.insert("00000000000000000leak");  // of a copy that never came to be
  bool there = cloud.machine.snapshots.count(cut) > 0;
  cloud.machine.snapshotHeld = nullptr;
  cloud.machine.failSync = false;
  cloud.restart();
  CHECK(stateOf(cloud, done) == "completed");
  awaitState(cloud, local, "completed");
  awaitState(cloud, cut, there ? "completed" : "failed");
  if (!there) CHECK(cloud.get("/snapshots/" + cut).text("error").find("the server ended") == 0);
  CHECK(cloud.statusOf(id) == "running");
  CHECK(cloud.machine.snapshots.count("00000000000000000leak") == 0);
}

TEST_CASE("copies are running sandboxes on the files of their source, which nobody else sees") {
  Cloud cloud;
  auto id = cloud.post("/sandboxes", R"({"name":"probe","resources":{"cpus":2,"memory_mb":512},"timeout_secs":77})")
                .text("sandbox_id");
  auto reply = cloud.post("/sandboxes/probe/copy?times=3");
  REQUIRE(reply.status == 200);
  auto json = reply.json();
  CHECK(reply.text("source_sandbox_id") == id);
  REQUIRE(json["sandboxes"].Size() == 3);
  for (auto& one: json["sandboxes"].GetArray()) {
    std::string copy = one["sandbox_id"].GetString();
    CHECK(std::string(one["status"].GetString()) == "running");
    CHECK(cloud.machine.boxes.at(copy).snapshot.size() == 21);
    auto info = cloud.get("/sandboxes/" + copy).json();
    CHECK_FALSE(info.HasMember("name"));
    CHECK(info["resources"]["memory_mb"].GetInt() == 512);
    CHECK(info["timeout_secs"].GetInt() == 77);
  }
  CHECK(cloud.get("/snapshots").json()["snapshots"].Size() == 0);
  CHECK(cloud.machine.snapshots.empty());  // the machine keeps what boxes stand on
  CHECK(cloud.statusOf(id) == "running");
  CHECK(cloud.post("/sandboxes/probe/copy").json()["sandboxes"].Size() == 1);
}

TEST_CASE("copies that cannot be made are told apart from those that run") {
  Cloud cloud;
  auto id = cloud.create("probe");
  cloud.machine.starts = 1;
  auto reply = cloud.post("/sandboxes/probe/copy?times=2");
  CHECK(reply.status == 422);
  auto json = reply.json();
  REQUIRE(json["sandboxes"].Size() == 2);
  CHECK(std::string(json["sandboxes"][0]["status"].GetString()) == "running");
  CHECK(std::string(json["sandboxes"][1]["status"].GetString()) == "terminated");
  CHECK(std::string(json["sandboxes"][1]["reason"].GetString()).find("no room for a box") != std::string::npos);

  cloud.machine.failSnapshot = true;
  auto none = cloud.post("/sandboxes/probe/copy?times=2");
  CHECK(none.status == 422);
  auto failures = none.json();
  REQUIRE(failures["sandboxes"].Size() == 2);
  for (auto& one: failures["sandboxes"].GetArray()) {
    CHECK(std::string(one["status"].GetString()) == "failed");
    CHECK(std::string(one["reason"].GetString()).find("no room for a snapshot") != std::string::npos);
  }
  CHECK(cloud.statusOf(id) == "running");
}

TEST_CASE("a copy that takes longer than its client waits is answered 504, and nothing is begun behind its back") {
  Cloud cloud;
  auto id = cloud.create("probe");
  Hold hold(cloud);
  auto reply = cloud.call(HttpMethod::POST, "/sandboxes/probe/copy?times=2", "",
                          {"127.0.0.1", {{"X-Tensorlake-Request-Timeout-Ms", "50"}}});
  CHECK(reply.status == 504);
  CHECK(reply.json()["sandboxes"].Size() == 0);
  hold.release();
  cloud.await(id, "running");
  cloud.until([&]() { return cloud.machine.snapshots.empty(); });
  CHECK(cloud.machine.boxes.size() == 1);
}

}  // namespace
}  // namespace sandbridge::localcloud::test
