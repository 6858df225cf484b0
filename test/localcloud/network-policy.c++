// What lists of addresses mean.

#include <catch2/catch.hpp>

#include <string>

#include <kj/debug.h>

#include "localcloud/network-policy.h"

using namespace sandbridge;
using namespace sandbridge::localcloud;

namespace {

NetworkPolicy parse(const std::string& json) {
  auto parsed = parseNetworkPolicy(parseJson(kj::arrayPtr(json.data(), json.size())));
  if (parsed.is<Refusal>()) FAIL(parsed.get<Refusal>().text.cStr());
  return kj::mv(parsed.get<NetworkPolicy>());
}

AddressRange range(kj::StringPtr text) { return KJ_REQUIRE_NONNULL(parseAddressRange(text)); }

std::string text(kj::ArrayPtr<const AddressRange> ranges) {
  std::string result;
  for (auto& each : ranges) result += (result.empty() ? "" : " ") + std::string(toText(each).cStr());
  return result;
}

std::string reachable(const std::string& json, std::initializer_list<kj::StringPtr> own = {}) {
  kj::Vector<AddressRange> addresses;
  for (auto address : own) addresses.add(range(address));
  return text(reachableUnder(parse(json), addresses));
}

bool reaches(const std::string& json, kj::StringPtr address, std::initializer_list<kj::StringPtr> own = {}) {
  kj::Vector<AddressRange> addresses;
  for (auto each : own) addresses.add(range(each));
  for (auto& each : reachableUnder(parse(json), addresses)) {
    if (range(address).isWithin(each)) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("what is left of addresses without others") {
  auto left = [](std::initializer_list<kj::StringPtr> ranges, std::initializer_list<kj::StringPtr> taken) {
    auto read = [](auto& texts) { return KJ_MAP(each, kj::heapArray<kj::StringPtr>(texts)) { return range(each); }; };
    return text(without(read(ranges), read(taken)));
  };
  CHECK(left({"10.0.0.0/8"}, {}) == "10.0.0.0-10.255.255.255");
  CHECK(left({}, {"10.0.0.0/8"}) == "");
  CHECK(left({"10.0.0.1"}, {"10.0.0.1"}) == "");
  CHECK(left({"10.0.0.1", "10.0.0.3"}, {"10.0.0.2"}) == "10.0.0.1 10.0.0.3");
  CHECK(left({"10.0.0.0/30"}, {"10.0.0.0"}) == "10.0.0.1-10.0.0.3");
  CHECK(left({"10.0.0.0/30"}, {"10.0.0.3"}) == "10.0.0.0-10.0.0.2");
  CHECK(left({"10.0.0.0/30"}, {"10.0.0.1", "10.0.0.2"}) == "10.0.0.0 10.0.0.3");
  CHECK(left({"0.0.0.0/0"}, {"0.0.0.0/1"}) == "128.0.0.0-255.255.255.255");
  CHECK(left({"0.0.0.0/0"}, {"128.0.0.0/1"}) == "0.0.0.0-127.255.255.255");
  CHECK(left({"0.0.0.0/0"}, {"0.0.0.0/0"}) == "");
  CHECK(left({"255.255.255.254/31"}, {"255.255.255.255"}) == "255.255.255.254");
  CHECK(left({"10.0.0.0/24", "10.0.1.0/24"}, {"10.0.0.255", "10.0.1.0"}) == "10.0.0.0-10.0.0.254 10.0.1.1-10.0.1.255");
}

TEST_CASE("without lists the internet is reachable, what is private is not") {
  CHECK(reachable("{}") ==
        "1.0.0.0-9.255.255.255 11.0.0.0-100.63.255.255 100.128.0.0-126.255.255.255 128.0.0.0-169.253.255.255 "
        "169.255.0.0-172.15.255.255 172.32.0.0-191.255.255.255 192.0.1.0-192.167.255.255 192.169.0.0-198.17.255.255 "
        "198.20.0.0-223.255.255.255");
  CHECK_FALSE(reaches("{}", "203.0.113.1", {"203.0.113.1"}));
  CHECK(reaches("{}", "203.0.113.2", {"203.0.113.1"}));
}

TEST_CASE("off is off, whatever the lists say") {
  CHECK(reachable(R"({"allow_internet_access":false,"allow_out":["203.0.113.1"]})") == "");
}

TEST_CASE("allow lists name what is reached, deny lists take away from it") {
  CHECK(reachable(R"({"allow_out":["203.0.113.0/30","198.51.100.7"]})") == "198.51.100.7 203.0.113.0-203.0.113.3");
  CHECK(reachable(R"({"allow_out":["203.0.113.0/30"],"deny_out":["203.0.113.1"]})") == "203.0.113.0 203.0.113.2-203.0.113.3");
  CHECK(reachable(R"({"allow_out":["203.0.113.1"],"deny_out":["0.0.0.0/0"]})") == "");
  CHECK_FALSE(reaches(R"({"deny_out":["203.0.113.0/24"]})", "203.0.113.9"));
  CHECK(reaches(R"({"deny_out":["203.0.113.0/24"]})", "203.0.114.9"));
}

TEST_CASE("private networks and the machine itself open only to what names them") {
  CHECK(reaches(R"({"allow_out":["10.1.2.3"]})", "10.1.2.3"));
  CHECK(reaches(R"({"allow_out":["10.0.0.0/8"]})", "10.1.2.3"));
  CHECK_FALSE(reaches(R"({"allow_out":["0.0.0.0/0"]})", "10.1.2.3"));
  CHECK_FALSE(reaches(R"({"allow_out":["8.0.0.0/5"]})", "10.1.2.3"));
  CHECK(reaches(R"({"allow_out":["0.0.0.0/0","10.1.2.3"]})", "9.9.9.9"));
  CHECK(reaches(R"({"allow_out":["0.0.0.0/0","10.1.2.3"]})", "10.1.2.3"));
  CHECK_FALSE(reaches(R"({"allow_out":["0.0.0.0/0","10.1.2.3"]})", "10.1.2.4"));
  CHECK_FALSE(reaches(R"({"allow_out":["10.0.0.0/8"]})", "10.1.2.3", {"10.1.2.3"}));
  CHECK(reaches(R"({"allow_out":["10.1.2.3"]})", "10.1.2.3", {"10.1.2.3"}));
  CHECK_FALSE(reaches(R"({"allow_out":["10.0.0.0/8"]})", "10.0.2.2"));
}

TEST_CASE("what local sandboxes cannot enforce is refused, not ignored") {
  auto refused = [](const std::string& json) {
    std::string why;
    KJ_IF_MAYBE (refusal, refuseNetworkPolicy(parse(json))) {
      CHECK(refusal->status == 501);
      why = refusal->text.cStr();
    }
    return why;
  };
  CHECK(refused("{}") == "");
  CHECK(refused(R"({"allow_out":["203.0.113.1","10.0.0.0/8"],"deny_out":["0.0.0.0/0","127.0.0.1"]})") == "");
  CHECK(refused(R"({"allow_out":["example.com"]})").find("example.com") != std::string::npos);
  CHECK(refused(R"({"deny_out":["example.com"]})").find("example.com") != std::string::npos);
  CHECK(refused(R"({"allow_out":["169.254.169.254"]})").find("169.254.169.254") != std::string::npos);
  CHECK(refused(R"({"allow_out":["127.0.0.0/8"]})").find("127.0.0.0") != std::string::npos);
}
