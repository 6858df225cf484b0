// The network policy of a sandbox over HTTP: what is kept, refused and enforced once more. The rules: box-network-policy.c++.

#include "localcloud/cloud-fixture.h"

namespace sandbridge::localcloud::test {
namespace {

using kj::HttpMethod;

std::string networkOf(const Reply& reply) {
  auto json = reply.json();
  REQUIRE(json.HasMember("network"));
  CHECK(json["network"] == json["network_policy"]);
  return toJson(json["network"]).cStr();
}

constexpr auto OPEN = R"({"allow_internet_access":true,"allow_out":[],"deny_out":[]})";
constexpr auto LISTED = R"({"allow_internet_access":true,"allow_out":["203.0.113.1"],"deny_out":["10.0.0.0/8"]})";
constexpr auto OFF = R"({"allow_internet_access":false,"allow_out":[],"deny_out":[]})";

Reply patch(Cloud& cloud, const std::string& id, const std::string& network) {
  return cloud.call(HttpMethod::PATCH, "/sandboxes/" + id, R"({"network":)" + network + "}");
}

std::string enforced(Cloud& cloud, const std::string& id) {
  JsonWriter json;
  writeNetworkPolicy(json, cloud.machine.boxes.at(id).network);
  return json.finish().cStr();
}

TEST_CASE("a sandbox has the lists that it was made with, and an update replaces, clears or keeps them") {
  Cloud cloud;
  auto id = cloud.create("listed", std::string(R"(,"network":)") + LISTED);
  CHECK(enforced(cloud, id) == LISTED);
  CHECK(networkOf(cloud.get("/sandboxes/" + id)) == LISTED);

  auto reply = patch(cloud, id, R"({"allow_internet_access":false})");
  CHECK(reply.status == 200);
  CHECK(networkOf(reply) == OFF);
  CHECK(enforced(cloud, id) == OFF);

  CHECK(cloud.call(HttpMethod::PATCH, "/sandboxes/" + id, R"({"name":"other"})").status == 200);
  CHECK(enforced(cloud, id) == OFF);

  CHECK(networkOf(patch(cloud, id, "null")) == OPEN);
  CHECK(enforced(cloud, id) == OPEN);
}

TEST_CASE("a policy that was changed holds after suspend and resume, a restart, a reboot and in copies") {
  Cloud cloud;
  auto id = cloud.create("listed");
  REQUIRE(patch(cloud, id, LISTED).status == 200);
  cloud.post("/sandboxes/listed/suspend");
  cloud.await(id, "suspended");
  cloud.post("/sandboxes/listed/resume");
  cloud.await(id, "running");
  CHECK(enforced(cloud, id) == LISTED);

  auto copies = cloud.post("/sandboxes/" + id + "/copy?times=1").json();
  CHECK(enforced(cloud, copies["sandboxes"][0]["sandbox_id"].GetString()) == LISTED);

  cloud.restart();
  CHECK(networkOf(cloud.get("/sandboxes/" + id)) == LISTED);

  cloud.stop();
  cloud.machine.die(id);
  cloud.machine.boxes.at(id).network = {};
  cloud.restart();
  cloud.await(id, "suspended");
  cloud.post("/sandboxes/listed/resume");
  cloud.await(id, "running");
  CHECK(enforced(cloud, id) == LISTED);
}

TEST_CASE("a suspended sandbox has its new policy before it goes on") {
  Cloud cloud;
  auto id = cloud.create("sleeps");
  cloud.post("/sandboxes/sleeps/suspend");
  cloud.await(id, "suspended");
  CHECK(patch(cloud, id, OFF).status == 200);
  CHECK(cloud.statusOf(id) == "suspended");
  CHECK(enforced(cloud, id) == OFF);
}

TEST_CASE("what a server that died during an update left in force gives way to what is on record") {
  Cloud cloud;
  auto id = cloud.create("listed", std::string(R"(,"network":)") + LISTED);
  cloud.stop();
  cloud.machine.boxes.at(id).network = {};
  cloud.restart();
  cloud.until([&]() { return enforced(cloud, id) == LISTED; });
}

TEST_CASE("a policy that this machine cannot enforce is refused and changes nothing") {
  Cloud cloud;
  auto id = cloud.create("probe");
  cloud.machine.refuseNetwork = true;
  auto check = [](const Reply& reply) {
    INFO(reply.body);
    CHECK(reply.status == 501);
    CHECK(reply.code() == "NETWORK_POLICY_NOT_ENFORCED");
    CHECK(reply.text("error").find("there is no packet filter") != std::string::npos);
  };
  auto body = std::string(R"({"network":)") + LISTED + "}";
  check(patch(cloud, id, LISTED));
  check(cloud.post("/sandboxes", body));
  check(cloud.post("/sandbox-pools", R"({"image":"tensorlake/ubuntu-minimal","network":)" + std::string(LISTED) + "}"));
  cloud.post("/sandboxes/probe/suspend");
  cloud.await(id, "suspended");
  check(patch(cloud, id, LISTED));
  CHECK(networkOf(cloud.get("/sandboxes/" + id)) == OPEN);
  CHECK(cloud.get("/sandboxes").json()["sandboxes"].Size() == 1);
}

TEST_CASE("lists of names, and of what is always closed, are refused with the entry") {
  Cloud cloud;
  auto id = cloud.create("probe");
  auto check = [&](const std::string& network, const char* part) {
    for (auto& reply : {patch(cloud, id, network), cloud.post("/sandboxes", R"({"network":)" + network + "}")}) {
      INFO(reply.body);
      CHECK(reply.status == 501);
      CHECK(reply.code() == "NETWORK_POLICY_NOT_ENFORCED");
      CHECK(reply.text("error").find(part) != std::string::npos);
    }
  };
  check(R"({"allow_out":["10.0.0.1","example.com"]})", "'example.com'");
  check(R"({"deny_out":["example.com"]})", "'example.com'");
  check(R"({"allow_out":["169.254.169.254"]})", "169.254.169.254");
  CHECK(enforced(cloud, id) == OPEN);
}

}  // namespace
}  // namespace sandbridge::localcloud::test
