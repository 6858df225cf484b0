// The words of --fault, and which requests a fault strikes.

#include "localcloud/faults.h"

#include "base/error.h"

#include <catch2/catch.hpp>
#include <kj/debug.h>

#include <algorithm>
#include <string>

namespace sandbridge::localcloud {
namespace {

Faults faultsOf(std::initializer_list<kj::StringPtr> specs) {
  kj::Vector<Fault> list;
  for (auto spec: specs) list.add(parseFault(spec));
  return Faults(list.releaseAsArray());
}

// Which of 200 equal requests are struck, as a row of 0 and 1.
std::string pattern(kj::StringPtr spec) {
  auto faults = faultsOf({spec});
  std::string row;
  for (int i = 0; i < 200; i++) {
    row += faults.decide("GET", "/x"_kj.asArray(), 0 * kj::SECONDS).failure == nullptr ? '0' : '1';
  }
  return row;
}

bool strikes(kj::StringPtr spec, kj::StringPtr method, kj::StringPtr path, int age = 0) {
  auto faults = faultsOf({spec});
  return faults.decide(method, path.asArray(), age * kj::SECONDS).failure != nullptr;
}

TEST_CASE("a fault's words are understood") {
  auto fault = parseFault("status=503:SANDBOX_NOT_READY,path=/processes/run,rate=0.2,count=3,seed=7,method=POST");
  CHECK(fault.kind == Fault::STATUS);
  CHECK(fault.status == 503);
  CHECK(fault.code == "SANDBOX_NOT_READY");
  CHECK(fault.path == "/processes/run");
  CHECK(fault.rate == 0.2);
  CHECK(fault.count == 3);
  CHECK(fault.seed == 7);
  CHECK(fault.method == "POST");
  CHECK_FALSE(fault.afterEffect);
  CHECK(parseFault("status=502,when=after,retry-after=2").afterEffect);
  CHECK(parseFault("reset=after").kind == Fault::RESET);
  CHECK(parseFault("close=before").kind == Fault::CLOSE);
  CHECK(parseFault("hang=after").kind == Fault::HANG);
  CHECK(parseFault("hang=after").afterEffect);
  CHECK(parseFault("cut=0").kind == Fault::CUT);
  CHECK(parseFault("cut=0").ending == Fault::EARLY);
  CHECK(parseFault("cut=20:reset").ending == Fault::BY_RST);
  CHECK(parseFault("cut=20:whole").ending == Fault::WHOLE);
  CHECK(parseFault("cut=20:whole").bytes == 20);
  CHECK(parseFault("outage=7@30:reset").ending == Fault::BY_RST);
  CHECK(parseFault("outage=7@30:reset").begin == 30 * kj::SECONDS);
  CHECK(parseFault("slow=1000").bytes == 1000);
  auto outage = parseFault("outage=7@30");
  CHECK(outage.length == 7 * kj::SECONDS);
  CHECK(outage.begin == 30 * kj::SECONDS);
}

TEST_CASE("a fault that cannot be is refused with the word that is wrong") {
  auto refusal = [](kj::StringPtr spec) -> std::string {
    try {
      parseFault(spec);
    } catch (kj::Exception& e) {
      CHECK(kindOf(e) == ErrorKind::INVALID_ARGUMENT);
      return textOf(e).cStr();
    }
    return "accepted";
  };
  struct { const char* spec; const char* named; } cases[] = {
      {"", "WORD=VALUE"}, {"status", "status"}, {"status=", "status"}, {"status=200", "status=200"},
      {"status=abc", "status=abc"}, {"status=503,", "WORD=VALUE"}, {"sttus=503", "sttus"}, {"path=/x", "exactly one"},
      {"status=503,reset=after", "exactly one"}, {"reset=maybe", "reset=maybe"}, {"cut=-1", "cut=-1"},
      {"slow=0", "slow=0"}, {"reset=after,rate=2", "rate=2"}, {"reset=after,rate=nan", "rate=nan"},
      {"reset=after,rate=.", "rate=."}, {"reset=after,when=after", "status only"}, {"cut=1,retry-after=1", "status only"},
      {"close=", "close"}, {"hang=now", "hang=now"}, {"cut=1:loudly", "cut=1:loudly"}, {"outage=1:whole", "outage=1:whole"},
      {"cut=1,count=1,count=2", "count"}, {"outage=1@", "outage=1@"}, {"cut=1,seed=x", "seed=x"},
  };
  for (auto& c: cases) {
    INFO(c.spec);
    CHECK_THAT(refusal(c.spec), Catch::Contains(c.named) && !Catch::Equals("accepted"));
  }
}

TEST_CASE("the same seed strikes the same requests, another seed others, at the rate that was asked for") {
  auto row = pattern("status=503,rate=0.3,seed=1");
  CHECK(row == pattern("status=503,rate=0.3,seed=1"));
  CHECK(row != pattern("status=503,rate=0.3,seed=2"));
  auto hits = std::count(row.begin(), row.end(), '1');
  CHECK(hits > 30);
  CHECK(hits < 90);
  CHECK(pattern("status=503,rate=0") == std::string(200, '0'));
  CHECK(pattern("status=503") == std::string(200, '1'));
  CHECK(pattern("status=503,count=2") == "11" + std::string(198, '0'));
}

TEST_CASE("requests that a fault is not about do not move its draws") {
  auto row = pattern("status=503,rate=0.5,seed=9,path=/x");
  auto faults = faultsOf({"status=503,rate=0.5,seed=9,path=/x"});
  std::string mixed;
  for (int i = 0; i < 200; i++) {
    CHECK(faults.decide("GET", "/other"_kj.asArray(), 0 * kj::SECONDS).failure == nullptr);
    mixed += faults.decide("GET", "/x"_kj.asArray(), 0 * kj::SECONDS).failure == nullptr ? '0' : '1';
  }
  CHECK(mixed == row);
}

TEST_CASE("a fault strikes by method and by a part or the end of the path") {
  CHECK(strikes("reset=before,path=/processes", "POST", "/api/v1/processes/run"));
  CHECK_FALSE(strikes("reset=before,path=/processes$", "POST", "/api/v1/processes/run"));
  CHECK(strikes("reset=before,path=/processes$", "POST", "/api/v1/processes"));
  CHECK_FALSE(strikes("reset=before,path=/processes$,method=POST", "GET", "/api/v1/processes"));
  CHECK_FALSE(strikes("reset=before,path=/a/long/path$", "GET", "/"));
}

TEST_CASE("an outage has its time, and takes the control plane only") {
  CHECK_FALSE(strikes("outage=7@30", "GET", "/sandboxes", 29));
  CHECK(strikes("outage=7@30", "GET", "/sandboxes", 30));
  CHECK(strikes("outage=7@30", "GET", "/v1/namespaces/default/sandboxes", 36));
  CHECK_FALSE(strikes("outage=7@30", "GET", "/sandboxes", 37));
  CHECK_FALSE(strikes("outage=7", "GET", "/api/v1/processes"));
}

TEST_CASE("the first failure that strikes counts; what happens to the stream comes on top") {
  auto faults = faultsOf({"slow=10", "status=503,count=1", "status=404", "cut=5", "cut=6"});
  auto first = faults.decide("GET", "/"_kj.asArray(), 0 * kj::SECONDS);
  CHECK(KJ_ASSERT_NONNULL(first.failure).status == 503);
  CHECK(first.cut.orDefault(0) == 5);
  CHECK(first.bytesPerSecond.orDefault(0) == 10);
  CHECK(KJ_ASSERT_NONNULL(faults.decide("GET", "/"_kj.asArray(), 0 * kj::SECONDS).failure).status == 404);
}

}  // namespace
}  // namespace sandbridge::localcloud
