// edit, write and apply_patch on files that are remembered, and under which something else changes them.

#include "directory-workspace.h"

#include "base/json.h"
#include "tools/text.h"

#include <catch2/catch.hpp>
#include <kj/debug.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace sandbridge::test {
namespace {

namespace fs = std::filesystem;

kj::String edit(kj::StringPtr path, kj::StringPtr from, kj::StringPtr to) {
  JsonWriter json;
  json.beginObject().field("filePath", path).field("oldString", from).field("newString", to).endObject();
  return json.finish();
}

kj::String write(kj::StringPtr path, kj::StringPtr content) {
  JsonWriter json;
  json.beginObject().field("filePath", path).field("content", content).endObject();
  return json.finish();
}

kj::String patch(kj::StringPtr body) {
  JsonWriter json;
  json.beginObject().field("patchText", kj::str("*** Begin Patch\n", body, "\n*** End Patch")).endObject();
  return json.finish();
}

std::string content(Bench& bench, std::string_view path) {
  return std::string(bench.workspace.get(path).orDefault("(no file)"));
}

size_t trips(Bench& bench, kj::StringPtr tool, kj::StringPtr arguments) {
  bench.workspace.roundTrips = 0;
  auto result = bench.call(tool, arguments);
  INFO(result.output.cStr());
  CHECK_FALSE(result.failed);
  return bench.workspace.roundTrips;
}

// Changes the file once, just before a tool would.
void intrude(Bench& bench, std::string path, std::string text) {
  bench.workspace.intruder = [&bench, path, text](const std::string&) {
    bench.workspace.intruder = nullptr;
    bench.workspace.put(path, text);
  };
}

std::string diffOf(const RecordingUi::Asked& asked) {
  auto document = parseJson(toKj(asked.metadata));
  return document["diff"].GetString();
}

TEST_CASE("a file that was read, written or edited before is changed in one round trip") {
  Bench bench;
  bench.workspace.put("a.txt", "one\n");
  bench.workspace.put("b.txt", "b\n");
  trips(bench, "read", R"({"filePath":"a.txt"})");
  CHECK(trips(bench, "edit", edit("a.txt", "one", "two")) == 1);
  CHECK(trips(bench, "edit", edit("a.txt", "two", "three")) == 1);
  CHECK(trips(bench, "write", write("a.txt", "four\n")) == 1);
  CHECK(trips(bench, "apply_patch", patch("*** Update File: a.txt\n@@\n-four\n+five")) == 1);
  CHECK(trips(bench, "edit", edit("a.txt", "five", "six")) == 1);
  CHECK(content(bench, "a.txt") == "six\n");
  CHECK(trips(bench, "write", write("new.txt", "new\n")) == 2);
  CHECK(trips(bench, "edit", edit("new.txt", "new", "old")) == 1);
}

TEST_CASE("a patch of several files takes two round trips' time, or one when they are remembered") {
  Bench bench;
  for (auto name : {"a.txt", "b.txt", "c.txt"}) bench.workspace.put(name, "one\n");
  auto of = [](kj::StringPtr from, kj::StringPtr to) {
    auto section = [&](kj::StringPtr name) {
      return kj::str("*** Update File: ", name, "\n@@\n-", from, "\n+", to);
    };
    return patch(kj::str(section("a.txt"), "\n", section("b.txt"), "\n", section("c.txt")));
  };
  // The three are written at the same time.
  CHECK(trips(bench, "apply_patch", of("one", "two")) == 1 + 3);
  CHECK(trips(bench, "apply_patch", of("two", "three")) == 3);
  CHECK(content(bench, "c.txt") == "three\n");
}

TEST_CASE("a change by something else is kept: the edit is planned on it, and asked for again") {
  Bench bench;
  bench.workspace.put("a.txt", "one\ntwo\n");
  trips(bench, "read", R"({"filePath":"a.txt"})");
  intrude(bench, "a.txt", "zero\none\ntwo\n");
  CHECK(trips(bench, "edit", edit("a.txt", "two", "three")) == 2);
  CHECK(content(bench, "a.txt") == "zero\none\nthree\n");
  REQUIRE(bench.ui.asked.size() == 3);  // the first is the read's
  CHECK(diffOf(bench.ui.asked[1]) != diffOf(bench.ui.asked[2]));
  CHECK(diffOf(bench.ui.asked[2]).find(" zero\n") != std::string::npos);
}

TEST_CASE("a change elsewhere in the file is kept without a second question for the same diff") {
  Bench bench;
  std::string far = "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n";
  bench.workspace.put("a.txt", "one\n" + far + "end\n");
  trips(bench, "read", R"({"filePath":"a.txt"})");
  intrude(bench, "a.txt", "one\n" + far + "END\n");
  CHECK(trips(bench, "edit", edit("a.txt", "one", "two")) == 2);
  CHECK(content(bench, "a.txt") == "two\n" + far + "END\n");
  CHECK(bench.ui.asked.size() == 2);
}

TEST_CASE("a second question that is refused leaves the other's change") {
  class OnceUi final : public ToolUi {
   public:
    int asked = 0;
    kj::Promise<void> ask(Question) override {
      if (asked++ == 0) return kj::READY_NOW;
      return KJ_EXCEPTION(FAILED, "not this");
    }
    kj::Promise<void> output(kj::ArrayPtr<const kj::byte>) override { return kj::READY_NOW; }
  } ui;
  auto tool = GENERATE("edit", "write", "apply_patch");
  INFO(tool);
  Bench bench;
  bench.workspace.put("a.txt", "one\n");
  intrude(bench, "a.txt", "zero\none\n");
  auto arguments = tool == std::string("edit")    ? edit("a.txt", "one", "two")
                   : tool == std::string("write") ? write("a.txt", "two\n")
                                                  : patch("*** Update File: a.txt\n@@\n-one\n+two");
  auto result = bench.toolbox->call(tool, arguments, ui).wait(bench.loop.io.waitScope);
  CHECK(result.failed);
  CHECK(ui.asked == 2);
  CHECK(content(bench, "a.txt") == "zero\none\n");
}

TEST_CASE("what is remembered wrongly refuses nothing") {
  Bench bench;
  bench.workspace.put("a.txt", "one\n");
  trips(bench, "read", R"({"filePath":"a.txt"})");
  bench.workspace.put("a.txt", "two\n");
  CHECK(trips(bench, "edit", edit("a.txt", "two", "three")) == 2);
  bench.workspace.put("a.txt", "four\n");
  CHECK(trips(bench, "apply_patch", patch("*** Update File: a.txt\n@@\n-four\n+five")) == 2);
  CHECK(content(bench, "a.txt") == "five\n");
  fs::remove(bench.workspace.resolve("a.txt"));
  auto result = bench.call("edit", edit("a.txt", "five", "six"));
  CHECK(result.failed);
  CHECK(std::string(view(result.output)).ends_with("a.txt not found"));
  CHECK(trips(bench, "write", write("a.txt", "again\n")) == 2);
  fs::remove(bench.workspace.resolve("a.txt"));
  fs::create_directory(bench.workspace.resolve("a.txt"));
  CHECK(bench.call("write", write("a.txt", "x")).failed);
  CHECK(bench.call("edit", edit("a.txt", "again", "x")).failed);
}

TEST_CASE("a file that never stands still is left as it is, and the tool says so") {
  Bench bench;
  int count = 0;
  bench.workspace.intruder = [&](const std::string&) {
    bench.workspace.put("a.txt", "one\n" + std::to_string(count++) + "\n");
  };
  bench.workspace.put("a.txt", "one\n");
  auto result = bench.call("edit", edit("a.txt", "one", "two"));
  CHECK(result.failed);
  CHECK(std::string(view(result.output)).find("keeps changing") != std::string::npos);
  CHECK(content(bench, "a.txt") == "one\n" + std::to_string(count - 1) + "\n");
}

TEST_CASE("a file that comes into being while it is created is not overwritten unasked") {
  Bench bench;
  intrude(bench, "new.txt", "theirs\n");
  CHECK(trips(bench, "write", write("new.txt", "mine\n")) == 3);  // a look, and a lost race
  REQUIRE(bench.ui.asked.size() == 2);
  CHECK(diffOf(bench.ui.asked[1]).find("-theirs\n") != std::string::npos);
  CHECK(content(bench, "new.txt") == "mine\n");
}

TEST_CASE("a patch under which one file changes is made anew on all of them") {
  Bench bench;
  bench.workspace.put("a.txt", "one\n");
  bench.workspace.put("b.txt", "one\n");
  bench.workspace.put("c.txt", "gone\n");
  intrude(bench, "b.txt", "zero\none\n");
  auto result = bench.call("apply_patch",
                           patch("*** Update File: a.txt\n@@\n-one\n+two\n*** Update File: b.txt\n@@\n-one\n"
                                 "+two\n*** Delete File: c.txt"));
  INFO(result.output.cStr());
  CHECK_FALSE(result.failed);
  CHECK(content(bench, "a.txt") == "two\n");
  CHECK(content(bench, "b.txt") == "zero\ntwo\n");
  CHECK(content(bench, "c.txt") == "(no file)");
  CHECK(bench.ui.asked.size() == 2);
}

TEST_CASE("a patch does not remove a file that has become another") {
  Bench bench;
  bench.workspace.put("a.txt", "one\n");
  bench.workspace.put("b.txt", "gone\n");
  intrude(bench, "b.txt", "precious\n");
  auto result = bench.call("apply_patch",
                           patch("*** Update File: a.txt\n@@\n-one\n+two\n*** Delete File: b.txt"));
  CHECK_FALSE(result.failed);
  REQUIRE(bench.ui.asked.size() == 2);
  CHECK(diffOf(bench.ui.asked[1]).find("-precious\n") != std::string::npos);
  CHECK(content(bench, "a.txt") == "two\n");
  CHECK(content(bench, "b.txt") == "(no file)");
}

kj::Array<const kj::byte> bytes(size_t size) {
  return kj::heapArray<kj::byte>(size);
}

TEST_CASE("the memory of files keeps within its bounds, forgets the oldest, and what ends") {
  FileMemory memory(100'000);
  FileMemory::Part part(memory);
  {
    FileMemory::Part other(memory);
    for (int i = 0; i < 20; ++i) {
      part.keep(std::to_string(i), bytes(10'000));
      if (i == 15) other.keep("15", bytes(1));
    }
    CHECK(part.take("0") == nullptr);
    CHECK(part.take("19") != nullptr);
    CHECK(part.take("19") == nullptr);
    CHECK(part.take("15") != nullptr);
  }
  FileMemory::Part fresh(memory);
  CHECK(fresh.take("15") == nullptr);
  part.keep("big", bytes(200'000));
  CHECK(part.take("big") == nullptr);
  CHECK(part.take("18") == nullptr);  // it has made room
  part.keep("a", bytes(90'000));
  CHECK(KJ_ASSERT_NONNULL(part.take("a")).size() == 90'000);
}

}  // namespace
}  // namespace sandbridge::test
