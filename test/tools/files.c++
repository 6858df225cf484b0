// read, write, edit and apply_patch where the recorded calls do not reach: hostile and huge files,
// failing writes, turns.

#include "directory-workspace.h"

#include "base/json.h"
#include "tools/limits.h"
#include "tools/text.h"

#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace sandbridge::test {
namespace {

namespace fs = std::filesystem;

struct Field {
  const char* name;
  std::string value;
};

kj::String args(std::initializer_list<Field> fields) {
  JsonWriter json;
  json.beginObject();
  for (auto& f : fields) json.field(f.name, kj::arrayPtr(f.value.data(), f.value.size()));
  json.endObject();
  return json.finish();
}

std::string text(const kj::String& s) {
  return std::string(view(s));
}

std::string content(Bench& bench, std::string_view path) {
  auto bytes = bench.workspace.get(path);
  KJ_IF_MAYBE (b, bytes) {
    return *b;
  }
  return "(no file)";
}

// A page, its line numbers and its frame; with it, what instruction files may add.
void checkFits(const ToolResult& result, size_t instructions = 0) {
  CHECK(result.output.size() <= READ_BYTES + 7 * READ_LINES + 512 + instructions);
  auto whole = text(result.output);
  auto lines = whole.substr(0, whole.find("<system-reminder>"));
  CHECK(size_t(std::count(lines.begin(), lines.end(), '\n')) < READ_LINES + 10);
}

TEST_CASE("a file that is not known is read in one round trip, written in two, edited in two") {
  Bench bench;
  bench.workspace.put("a/b.txt", "one\n");
  auto trips = [&](kj::StringPtr tool, kj::String arguments) {
    bench.workspace.roundTrips = 0;
    REQUIRE_FALSE(bench.call(tool, arguments).failed);
    return bench.workspace.roundTrips;
  };
  CHECK(trips("read", args({{"filePath", "a"}})) == 1);
  CHECK(trips("write", args({{"filePath", "a/b.txt"}, {"content", "two\n"}})) == 2);
  bench.workspace.put("a/c.txt", "two\n");
  CHECK(trips("edit",
              args({{"filePath", "a/c.txt"}, {"oldString", "two"}, {"newString", "three"}})) == 2);
  CHECK(trips("read", args({{"filePath", "a/b.txt"}})) == 1);
  CHECK(trips("glob", args({{"pattern", "*.txt"}})) == 1);
  CHECK(trips("grep", args({{"pattern", "three"}})) == 1);
  CHECK(trips("bash", args({{"command", "true"}})) == 1);
  bench.workspace.roundTrips = 0;
  CHECK(bench.call("read", args({{"filePath", "missing"}})).failed);
  CHECK(bench.workspace.roundTrips == 1);
}

TEST_CASE("a page from the middle of a 100 MB file comes with the right count, in one round trip") {
  Bench bench;
  std::string block;
  for (int i = 0; i < 10000; ++i) block += "this is a line of a large file that goes on and on\n";
  std::string big;
  while (big.size() < 100'000'000) big += block;
  big += "the end";
  size_t lines = std::count(big.begin(), big.end(), '\n') + 1;
  bench.workspace.put("big.log", big);
  bench.workspace.roundTrips = 0;
  auto result = bench.call("read", kj::str(R"({"filePath":"big.log","offset":)", lines - 1, "}"));
  CHECK(bench.workspace.roundTrips == 1);
  CHECK(text(result.output) ==
        "<path>" + bench.workspace.rootPath + "/big.log</path>\n<type>file</type>\n<content>\n" +
            std::to_string(lines - 1) + ": this is a line of a large file that goes on and on\n" +
            std::to_string(lines) + ": the end\n\n(End of file - total " + std::to_string(lines) +
            " lines)\n</content>");
  result = bench.call("read", kj::str(R"({"filePath":"big.log","offset":5,"limit":2})"));
  CHECK(text(result.output)
            .find("(Showing lines 5-6 of " + std::to_string(lines) + ". Use offset=7") !=
        std::string::npos);
  result = bench.call("read", kj::str(R"({"filePath":"big.log","offset":)", lines + 1, "}"));
  CHECK(text(result.output) == "Offset " + std::to_string(lines + 1) +
                                   " is out of range for this file (" + std::to_string(lines) +
                                   " lines)");
}

TEST_CASE("big files read the same as small ones, whatever ends their lines") {
  Bench bench;
  for (std::string end : {"\n", "\r\n", "\r"}) {
    std::string body;
    size_t lines = 0;
    while (body.size() < 200000) body += "line " + std::to_string(++lines) + end;
    bench.workspace.put("f.txt", body);
    auto result = bench.call("read", kj::str(R"({"filePath":"f.txt","offset":100,"limit":2})"));
    INFO(end.size() << result.output.cStr());
    CHECK(text(result.output)
              .find("<content>\n100: line 100\n101: line 101\n\n(Showing lines 100-101 of " +
                    std::to_string(lines) + ". Use offset=102") != std::string::npos);
  }
}

TEST_CASE("one line of 30 MB is shown cut") {
  Bench bench;
  bench.workspace.put("min.js", std::string(30'000'000, 'x'));
  auto result = bench.call("read", args({{"filePath", "min.js"}}));
  checkFits(result);
  CHECK(text(result.output)
            .find("xxx... (line truncated to 2000 chars)\n\n(End of file - total 1 lines)") !=
        std::string::npos);
}

TEST_CASE("no page is longer than an answer may be") {
  Bench bench;
  std::string lines, wide;
  for (int i = 0; i < 5000; ++i) lines += "\n";
  for (int i = 0; i < 3000; ++i) wide += "\xc3\xa4\xc3\xb6\xc3\xbc some text that makes a line\n";
  bench.workspace.put("lines.txt", lines);
  bench.workspace.put("wide.txt", wide);
  bench.workspace.put("sub/AGENTS.md", lines + lines);
  bench.workspace.put("sub/deep/CLAUDE.md", wide + wide);
  bench.workspace.put("sub/deep/wide.txt", wide);
  bench.workspace.put("sub/lines.txt", lines);
  for (int i = 0; i < 2500; ++i) bench.workspace.put("many/" + std::to_string(i), "");
  for (auto path : {"lines.txt", "wide.txt", "sub/deep/wide.txt", "sub/lines.txt", "many"}) {
    auto result = bench.call("read", args({{"filePath", path}}));
    INFO(path);
    CHECK_FALSE(result.failed);
    checkFits(result, INSTRUCTIONS_BYTES + 512);
  }
}

TEST_CASE("reading on page by page gives the whole file once") {
  Bench bench;
  std::string body;
  for (int i = 1; i <= 7000; ++i) body += "number " + std::to_string(i) + "\n";
  bench.workspace.put("f.txt", body);
  std::string got;
  uint64_t offset = 1;
  for (int page = 0; page < 10; ++page) {
    auto result = bench.call("read", kj::str(R"({"filePath":"f.txt","offset":)", offset, "}"));
    auto document = parseJson(result.metadata);
    auto& display = document["display"];
    got += std::string(display["text"].GetString(), display["text"].GetStringLength()) + "\n";
    offset = display["lineEnd"].GetUint64() + 1;
    if (!document["truncated"].GetBool()) break;
  }
  CHECK(got == body);
}

TEST_CASE("instructions near a file are shown once") {
  Bench bench;
  bench.workspace.put("sub/AGENTS.md", "be careful");
  bench.workspace.put("sub/x.txt", "x\n");
  auto first = bench.call("read", args({{"filePath", "sub/x.txt"}}));
  CHECK(text(first.output).find("be careful") != std::string::npos);
  auto second = bench.call("read", args({{"filePath", "sub/x.txt"}}));
  CHECK(text(second.output).find("be careful") == std::string::npos);
}

TEST_CASE("a refused read shows nothing and uses no instructions up") {
  Bench bench;
  bench.workspace.put("sub/AGENTS.md", "be careful");
  bench.workspace.put("sub/x.txt", "secret\n");
  bench.ui.refusal = "The user rejected permission to use this specific tool call.";
  auto refused = bench.call("read", args({{"filePath", "sub/x.txt"}}));
  CHECK(refused.failed);
  CHECK(text(refused.output) == bench.ui.refusal);
  bench.ui.refusal = "";
  CHECK(text(bench.call("read", args({{"filePath", "sub/x.txt"}})).output).find("be careful") !=
        std::string::npos);
}

TEST_CASE("a named pipe is an error for every tool, never a wait") {
  Bench bench;
  REQUIRE(mkfifo(bench.workspace.resolve("pipe").c_str(), 0600) == 0);
  auto read = bench.call("read", args({{"filePath", "pipe"}}));
  CHECK(read.failed);
  CHECK(text(read.output).find("it is a named pipe") != std::string::npos);
  CHECK(bench.call("edit", args({{"filePath", "pipe"}, {"oldString", "a"}, {"newString", "b"}}))
            .failed);
  CHECK(bench.call("write", args({{"filePath", "pipe"}, {"content", "b"}})).failed);
  CHECK(bench
            .call("apply_patch",
                  args({{"patchText", "*** Begin Patch\n*** Delete File: pipe\n*** End Patch"}}))
            .failed);
  CHECK(bench.call("read", args({{"filePath", "/dev/zero"}})).failed);
  bench.workspace.put("ok.txt", "needle\n");
  CHECK(text(bench.call("grep", args({{"pattern", "needle"}})).output).find("ok.txt") !=
        std::string::npos);
}

TEST_CASE("a large image is attached whole, one beyond 20 MiB is refused") {
  Bench bench;
  std::string png = "\x89PNG\r\n\x1a\n" + std::string(300000, 'p');
  bench.workspace.put("a.png", png);
  auto result = bench.call("read", args({{"filePath", "a.png"}}));
  REQUIRE(result.attachments.size() == 1);
  auto& data = result.attachments[0].data;
  CHECK(std::string(data.asChars().begin(), data.size()) == png);
  bench.workspace.put("b.png", "\x89PNG\r\n\x1a\n" + std::string(21 << 20, 'p'));
  auto refused = bench.call("read", args({{"filePath", "b.png"}}));
  CHECK(refused.failed);
  CHECK(text(refused.output).starts_with("File is too large to attach"));
}

TEST_CASE("a big file that is not text is refused without counting its lines") {
  Bench bench;
  std::string bytes = "text\n" + std::string(1, '\0') + std::string(200000, '\n');
  bench.workspace.put("a.txt", bytes);
  CHECK(text(bench.call("read", args({{"filePath", "a.txt"}})).output) ==
        "Cannot read binary file: " + bench.workspace.rootPath + "/a.txt");
  bench.workspace.put("a.zip", std::string(200000, 'z'));
  CHECK(text(bench.call("read", args({{"filePath", "a.zip"}})).output) ==
        "Cannot read binary file: " + bench.workspace.rootPath + "/a.zip");
}

TEST_CASE("names with quotes, newlines, dashes and shell characters are only names") {
  Bench bench;
  for (std::string name : {"-rf", "a b", "a'b", "a\"b", "a\nb", "$(touch pwned)", "`touch pwned`",
                           "a;touch pwned", "*", "[x]", "\\n", "%s%n", "--", "-", "\xff\xfe"}) {
    auto shown = std::string(view(validUtf8(kj::arrayPtr(name.data(), name.size()).asBytes())));
    bool valid = shown == name;
    INFO(name);
    if (valid) {
      CHECK_FALSE(bench.call("write", args({{"filePath", name}, {"content", "first\n"}})).failed);
      CHECK(content(bench, name) == "first\n");
      CHECK_FALSE(
          bench
              .call("edit",
                    args({{"filePath", name}, {"oldString", "first"}, {"newString", "second"}}))
              .failed);
      CHECK(text(bench.call("read", args({{"filePath", name}})).output).find("1: second") !=
            std::string::npos);
      if (name.find('\n') == std::string::npos) {
        auto patch =
            "*** Begin Patch\n*** Update File: " + name + "\n@@\n-second\n+third\n*** End Patch";
        CHECK_FALSE(bench.call("apply_patch", args({{"patchText", patch}})).failed);
        CHECK(content(bench, name) == "third\n");
      }
    } else {
      bench.workspace.put(name, "x");
    }
    auto listing = bench.call("read", args({{"filePath", "."}}));
    CHECK(text(listing.output).find("\n" + shown + "\n") != std::string::npos);
  }
  CHECK(content(bench, "pwned") == "(no file)");
}

TEST_CASE("a path with a null byte is refused by every tool") {
  Bench bench;
  std::string path("a\0b", 3);
  for (auto tool : {"read", "write", "edit", "glob", "grep", "bash"}) {
    auto result = bench.call(tool, args({{"filePath", path},
                                         {"path", path},
                                         {"workdir", path},
                                         {"content", ""},
                                         {"oldString", "a"},
                                         {"newString", "b"},
                                         {"pattern", "x"},
                                         {"command", "true"}}));
    CHECK(result.failed);
    CHECK(text(result.output).find("null byte") != std::string::npos);
  }
  auto patch = bench.call(
      "apply_patch",
      args({{"patchText", "*** Begin Patch\n*** Add File: " + path + "\n+x\n*** End Patch"}}));
  CHECK(patch.failed);
  CHECK(bench.call("read", args({{"filePath", std::string(10000, 'x')}})).failed);
  CHECK(bench.call("read", args({{"filePath", std::string(3000, 'x')}})).failed);
}

TEST_CASE("half a surrogate pair in the arguments does no harm") {
  Bench bench;
  auto result = bench.call("write", R"({"filePath":"a.txt","content":"x\ud83dy\ud83d\ude00"})");
  CHECK_FALSE(result.failed);
  CHECK(content(bench, "a.txt") == "x\xef\xbf\xbdy\xf0\x9f\x98\x80");
}

TEST_CASE("edits of one file at the same time all apply, also through a link") {
  Bench bench;
  std::string body;
  for (int i = 0; i < 12; ++i) body += "<" + std::to_string(i) + ">\n";
  bench.workspace.put("a.txt", body);
  fs::create_symlink("a.txt", bench.workspace.resolve("link"));
  auto calls = kj::heapArrayBuilder<kj::Promise<ToolResult>>(12);
  kj::Vector<kj::String> arguments;
  for (int i = 0; i < 12; ++i) {
    arguments.add(args({{"filePath", i % 2 ? "link" : "a.txt"},
                        {"oldString", "<" + std::to_string(i) + ">"},
                        {"newString", "[" + std::to_string(i) + "]"}}));
  }
  for (auto& a : arguments) calls.add(bench.toolbox->call("edit", a, bench.ui));
  auto results = kj::joinPromises(calls.finish()).wait(bench.loop.io.waitScope);
  for (auto& result : results) CHECK_FALSE(result.failed);
  std::replace(body.begin(), body.end(), '<', '[');
  std::replace(body.begin(), body.end(), '>', ']');
  CHECK(content(bench, "a.txt") == body);
}

TEST_CASE("an edit that is given up lets the next one have its turn") {
  Bench bench;
  bench.workspace.put("a.txt", "one\n");
  class Undecided final : public ToolUi {
   public:
    kj::Promise<void> ask(Question) override { return kj::NEVER_DONE; }
    kj::Promise<void> output(kj::ArrayPtr<const kj::byte>) override { return kj::READY_NOW; }
  } undecided;
  auto& scope = bench.loop.io.waitScope;
  auto arguments = args({{"filePath", "a.txt"}, {"oldString", "one"}, {"newString", "two"}});
  kj::Promise<ToolResult> first = bench.toolbox->call("edit", arguments, undecided);
  auto second = bench.toolbox->call("edit", arguments, bench.ui);
  while (bench.workspace.roundTrips < 1) scope.poll();
  for (int i = 0; i < 100; ++i) {
    CHECK_FALSE(second.poll(scope));
    usleep(1000);
  }
  first = nullptr;
  CHECK_FALSE(second.wait(scope).failed);
  CHECK(content(bench, "a.txt") == "two\n");
}

TEST_CASE("a patch whose second write fails leaves everything as it was") {
  Bench bench;
  bench.workspace.put("a.txt", "a\n");
  bench.workspace.put("c.txt", "c\n");
  bench.workspace.failingWrites = {"b.txt"};
  auto result =
      bench.call("apply_patch", args({{"patchText",
                                       "*** Begin Patch\n*** Update File: a.txt\n@@\n-a\n+A\n*** "
                                       "Add File: new/x.txt\n+x\n*** Delete File: c.txt\n"
                                       "*** Add File: b.txt\n+b\n*** End Patch"}}));
  CHECK(result.failed);
  CHECK(text(result.output).find("no space left") != std::string::npos);
  CHECK(content(bench, "a.txt") == "a\n");
  CHECK(content(bench, "c.txt") == "c\n");
  CHECK(content(bench, "new/x.txt") == "(no file)");
  CHECK(content(bench, "b.txt") == "(no file)");
}

TEST_CASE("sections of one patch see what the sections before them did") {
  Bench bench;
  bench.workspace.put("a.txt", "1\n2\n");
  auto result =
      bench.call("apply_patch", args({{"patchText",
                                       "*** Begin Patch\n*** Update File: a.txt\n@@\n-1\n+one\n*** "
                                       "Update File: a.txt\n*** Move to: b.txt\n@@\n-2\n+two\n"
                                       "*** Update File: b.txt\n@@\n-one\n+ONE\n*** Add File: "
                                       "a.txt\n+again\n*** End Patch"}}));
  CHECK_FALSE(result.failed);
  CHECK(content(bench, "a.txt") == "again\n");
  CHECK(content(bench, "b.txt") == "ONE\ntwo\n");
}

TEST_CASE("a file moved onto itself stays") {
  Bench bench;
  bench.workspace.put("a.txt", "1\n");
  CHECK_FALSE(bench
                  .call("apply_patch", args({{"patchText",
                                              "*** Begin Patch\n*** Update File: a.txt\n*** Move "
                                              "to: ./a.txt\n@@\n-1\n+2\n*** End Patch"}}))
                  .failed);
  CHECK(content(bench, "a.txt") == "2\n");
}

TEST_CASE("an edit keeps the invalid bytes around it") {
  Bench bench;
  bench.workspace.put("a.bin.txt", "\xff\xfe one \xe2\x82 two\n");
  CHECK_FALSE(
      bench
          .call("edit", args({{"filePath", "a.bin.txt"}, {"oldString", "one"}, {"newString", "1"}}))
          .failed);
  CHECK(content(bench, "a.bin.txt") == "\xff\xfe 1 \xe2\x82 two\n");
}

TEST_CASE("an edit takes on the file's line endings, and one of nothing else is none") {
  Bench bench;
  bench.workspace.put("f", "a\r\nb\r\n");
  auto result = bench.call("edit", R"({"filePath":"f","oldString":"a\r\nb","newString":"a\nb"})");
  CHECK(result.failed);
  CHECK(text(result.output) == "No changes to apply: oldString and newString are identical.");
  CHECK(content(bench, "f") == "a\r\nb\r\n");
}

TEST_CASE("a file too large to edit says so") {
  Bench bench;
  bench.workspace.put("big.txt", std::string(33 << 20, 'x'));
  auto result =
      bench.call("edit", args({{"filePath", "big.txt"}, {"oldString", "y"}, {"newString", "z"}}));
  CHECK(result.failed);
  CHECK(text(result.output).starts_with("File is too large to edit"));
  CHECK_FALSE(bench.call("write", args({{"filePath", "big.txt"}, {"content", "small\n"}})).failed);
  CHECK(content(bench, "big.txt") == "small\n");
}

TEST_CASE("a write that fails says why, and a lost connection is no answer of the tool") {
  Bench bench;
  bench.workspace.failingWrites = {"a.txt"};
  auto result = bench.call("write", args({{"filePath", "a.txt"}, {"content", "x"}}));
  CHECK(result.failed);
  CHECK(text(result.output).find("no space left in the sandbox") != std::string::npos);
}

TEST_CASE("an unknown tool and arguments that are no object are told to the model") {
  Bench bench;
  CHECK(text(bench.call("rm", "{}").output).find("There is no tool named \"rm\"") !=
        std::string::npos);
  CHECK(bench.call("read", "[]").failed);
  CHECK(bench.call("read", "{").failed);
  CHECK(bench.call("read", std::string(100000, '[').c_str()).failed);
}

}  // namespace
}  // namespace sandbridge::test
