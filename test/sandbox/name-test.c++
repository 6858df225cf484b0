#include "base/error.h"
#include "sandbox/sessions.h"
#include "sandbox/workspace.h"

#include <kj/debug.h>
#include <catch2/catch.hpp>

#include <set>
#include <string>

using namespace sandbridge;

TEST_CASE("a safe session id is its sandbox's name") {
  CHECK(sandboxName("abc-123") == "opencode-abc-123");
}

TEST_CASE("two session ids never share a sandbox, whatever bytes they are") {
  auto longOne = kj::str(kj::repeat('a', 10000));
  auto longer = kj::str(longOne, "a");
  auto fits = kj::str(kj::repeat('a', 54));
  auto tooLong = kj::str(kj::repeat('a', 55));
  kj::Vector<kj::String> ids;
  for (kj::StringPtr id : {"a"_kj,
                           "A"_kj,
                           "ab"_kj,
                           "a_b"_kj,
                           "a-b"_kj,
                           "a.b"_kj,
                           "a/b"_kj,
                           "a b"_kj,
                           "a\nb"_kj,
                           "-a"_kj,
                           "a-"_kj,
                           "-"_kj,
                           "--"_kj,
                           "_"_kj,
                           "ses_3Fa"_kj,
                           "ses_3fA"_kj,
                           "ses-3fa"_kj,
                           "../../etc"_kj,
                           "'\"$(id)"_kj,
                           "\xff"_kj,
                           "\xfe"_kj,
                           "ä"_kj,
                           "Ä"_kj,
                           kj::StringPtr(longOne),
                           kj::StringPtr(longer),
                           kj::StringPtr(fits),
                           kj::StringPtr(tooLong),
                           kj::StringPtr("a\0b", 3),
                           kj::StringPtr("a\0c", 3)}) {
    ids.add(kj::heapString(id));
  }
  // Ids that look like what another id's name is made of.
  for (size_t i = 0, n = ids.size(); i < n; ++i)
    ids.add(kj::heapString(sandboxName(ids[i]).slice(9)));
  std::set<std::string> names, distinct;
  for (auto& id : ids) {
    auto name = sandboxName(id);
    INFO(name.cStr());
    CHECK(name == sandboxName(id));
    CHECK(name.size() <= 63);
    CHECK(name.startsWith("opencode-"));
    for (char c : name) CHECK(((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'));
    CHECK(name[name.size() - 1] != '-');
    names.insert(name.cStr());
    distinct.insert(std::string(id.begin(), id.size()));
  }
  CHECK(names.size() == distinct.size());
}

TEST_CASE("a name stays readable where it can") {
  CHECK(sandboxName("ses_3FaB").startsWith("opencode-ses-3fab-"));
}

TEST_CASE("paths are resolved on the workspace, without dots") {
  auto path = [](kj::StringPtr p) { return resolvePath("/workspace", p); };
  CHECK(path("") == "/workspace");
  CHECK(path(".") == "/workspace");
  CHECK(path("a/./b//c/") == "/workspace/a/b/c");
  CHECK(path("../etc/passwd") == "/etc/passwd");
  CHECK(path("/../../x") == "/x");
  CHECK(path("/") == "/");
  CHECK(path("-rf") == "/workspace/-rf");
  CHECK(path("a\nb '\"") == "/workspace/a\nb '\"");
  CHECK(path("...") == "/workspace/...");
  CHECK_THROWS(path(kj::StringPtr("a\0b", 3)));
  CHECK_THROWS(path("\xff"));
  CHECK_THROWS(path(kj::str(kj::repeat('a', 5000))));
}
