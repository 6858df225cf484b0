// multiedit and list, which OpenCode had before 1.18.

#include "directory-workspace.h"

#include "base/json.h"
#include "tools/text.h"

#include <catch2/catch.hpp>

#include <kj/debug.h>

#include <filesystem>

namespace sandbridge::test {
namespace {

std::string content(Bench& bench, std::string_view path) {
  KJ_IF_MAYBE (text, bench.workspace.get(path)) return *text;
  return "(no file)";
}

TEST_CASE("multiedit applies its edits one after the other, with one question, one read and one write") {
  Bench bench;
  bench.workspace.put("a.txt", "one\r\ntwo\r\nthree\r\n");
  auto result = bench.call("multiedit", R"({"filePath":"a.txt","edits":[
      {"oldString":"one","newString":"1"},
      {"oldString":"1\ntwo","newString":"1\n2"},
      {"oldString":"r","newString":"R","replaceAll":true}]})");
  REQUIRE_FALSE(result.failed);
  CHECK(content(bench, "a.txt") == "1\r\n2\r\nthRee\r\n");
  CHECK(result.title == "a.txt");
  CHECK(result.output == "Edit applied successfully.");
  CHECK(bench.workspace.roundTrips <= 2);
  REQUIRE(bench.ui.asked.size() == 1);
  CHECK(bench.ui.asked[0].permission == "edit");
  auto metadata = parseJson(result.metadata);
  CHECK(KJ_ASSERT_NONNULL(getArray(metadata, "results")).Size() == 3);
  auto& whole = KJ_ASSERT_NONNULL(getObject(metadata, "filediff"));
  CHECK(KJ_ASSERT_NONNULL(getInt(whole, "additions")) == 3);
  CHECK(KJ_ASSERT_NONNULL(getInt(whole, "deletions")) == 3);
}

TEST_CASE("multiedit does all or nothing, and says which edit failed") {
  Bench bench;
  bench.workspace.put("a.txt", "one two\n");
  auto result = bench.call("multiedit", R"({"filePath":"a.txt","edits":[
      {"oldString":"one","newString":"1"}, {"oldString":"absent","newString":"x"}]})");
  CHECK(result.failed);
  CHECK(view(result.output).starts_with("Edit 2 of 2, so that nothing was changed: "));
  CHECK(content(bench, "a.txt") == "one two\n");
  bench.ui.refusal = "no";
  CHECK(bench.call("multiedit", R"({"filePath":"a.txt","edits":[{"oldString":"one","newString":"1"}]})").output == "no");
  CHECK(content(bench, "a.txt") == "one two\n");
}

TEST_CASE("multiedit makes a file by an empty oldString in its first edit") {
  Bench bench;
  CHECK_FALSE(bench.call("multiedit", R"({"filePath":"new/b.txt","edits":[
      {"oldString":"","newString":"alpha\n"}, {"oldString":"alpha","newString":"beta"}]})").failed);
  CHECK(content(bench, "new/b.txt") == "beta\n");
  auto again = bench.call("multiedit", R"({"filePath":"new/b.txt","edits":[{"oldString":"","newString":"x"}]})");
  CHECK(view(again.output).starts_with("oldString cannot be empty when editing an existing file."));
}

TEST_CASE("wrong edits of multiedit are named") {
  Bench bench;
  auto says = [&](kj::StringPtr edits, std::string_view text) {
    auto result = bench.call("multiedit", kj::str("{\"filePath\":\"a\",\"edits\":", edits, "}"));
    INFO(result.output.cStr());
    CHECK(result.failed);
    CHECK(view(result.output).find(text) != std::string_view::npos);
  };
  std::string many = "[";
  for (int i = 0; i < 101; ++i) many += std::string(i > 0 ? "," : "") + R"({"oldString":"a","newString":"b"})";
  says(toKj(many + "]"), "at most 100 edits");
  says("[]", "needs at least one edit");
  says("{}", "Expected array, got {}");
  says("[1]", "at [\"edits\"][0]");
  says(R"([{"oldString":"a"}])", "Expected oldString and newString");
  says(R"([{"oldString":"a","newString":"b","replaceAll":"x"}])", "replaceAll");
  says(R"([{"oldString":"a","newString":"a"}])", "identical");
  says(R"([{"oldString":"a","newString":"b"},{"oldString":"","newString":"b"}])", "first edit only");
}

TEST_CASE("list shows a tree, directories first, without what nobody wants to see") {
  Bench bench;
  for (auto path : {"b.txt", "a.txt", "src/z.c", "src/deep/y.c", "node_modules/x/index.js", "logs/l", "doc/skip.md", "build",
                    ".github/ci.yml", "src/bin/tool", ".git/config", "src/.git/config", "zig-out-2/x", ".coverage"}) {
    bench.workspace.put(path, "");
  }
  std::string expected = bench.workspace.rootPath + R"(/
  .github/
    ci.yml
  doc/
    skip.md
  src/
    bin/
      tool
    deep/
      y.c
    z.c
  a.txt
  b.txt
  build
)";
  SECTION("with ripgrep, if this machine has it") {}
  SECTION("without ripgrep") {
    auto bin = bench.workspace.top + "/bin";
    std::filesystem::create_directories(bin);
    for (auto name : {"sh", "find", "head"}) {
      auto path = std::string("/usr/bin/") + name;
      std::filesystem::create_symlink(std::filesystem::exists(path) ? path : std::string("/bin/") + name, bin + "/" + name);
    }
    bench.workspace.searchPath = bin;
  }
  auto result = bench.call("list", "{}");
  REQUIRE_FALSE(result.failed);
  CHECK(std::string(view(result.output)) == expected);
  CHECK(bench.workspace.roundTrips == 1);
  REQUIRE(bench.ui.asked.size() == 1);
  CHECK(bench.ui.asked[0].permission == "list");
  auto part = bench.call("list", R"({"path":"src","ignore":["deep/"]})");
  CHECK(std::string(view(part.output)) == bench.workspace.rootPath + "/src/\n  z.c\n");
  CHECK(part.title == "src");
}

TEST_CASE("list stops at 100 files, and says what is no directory") {
  Bench bench;
  for (int i = 0; i < 120; ++i) bench.workspace.put("f" + std::to_string(1000 + i), "");
  auto metadata = parseJson(bench.call("list", "{}").metadata);
  CHECK(KJ_ASSERT_NONNULL(getInt(metadata, "count")) == 100);
  CHECK(KJ_ASSERT_NONNULL(getBool(metadata, "truncated")));
  CHECK(view(bench.call("list", R"({"path":"f1000"})").output).starts_with("list path must be a directory: "));
  CHECK(view(bench.call("list", R"({"path":"none"})").output).starts_with("NotFound: "));
}

}  // namespace
}  // namespace sandbridge::test
