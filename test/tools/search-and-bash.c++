// glob, grep and bash where the recorded calls do not reach: order, hostile patterns, long output,
// slow watchers, aborts.

#include "directory-workspace.h"

#include "base/json.h"
#include "tools/glob-pattern.h"
#include "tools/limits.h"
#include "tools/plain-search.h"
#include "tools/text.h"

#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

namespace sandbridge::test {
namespace {

namespace fs = std::filesystem;

std::string text(const kj::String& s) {
  return std::string(view(s));
}

kj::String command(std::string_view line, kj::StringPtr more = "") {
  JsonWriter json;
  json.beginObject().field("command", kj::arrayPtr(line.data(), line.size())).endObject();
  auto out = json.finish();
  return more.size() == 0 ? kj::mv(out) : kj::str(out.slice(0, out.size() - 1), ",", more, "}");
}

kj::String pattern(std::string_view p) {
  JsonWriter json;
  json.beginObject().field("pattern", kj::arrayPtr(p.data(), p.size())).endObject();
  return json.finish();
}

void age(Bench& bench, std::string_view path, time_t seconds) {
  struct timeval times[2] = {{seconds, 0}, {seconds, 0}};
  REQUIRE(utimes(bench.workspace.resolve(path).c_str(), times) == 0);
}

// The end of a command's output and what is said about it.
void checkFits(const ToolResult& result) {
  CHECK(result.output.size() <= OUTPUT_BYTES + 512);
  CHECK(size_t(std::count(result.output.begin(), result.output.end(), '\n')) < OUTPUT_LINES + 10);
}

TEST_CASE("glob and grep list the newest files first") {
  Bench bench;
  for (auto [name, time] :
       {std::pair("old.txt", 1000), {"new.txt", 3000}, {"mid.txt", 2000}, {"a.txt", 2000}}) {
    bench.workspace.put(name, "needle\n");
    age(bench, name, time);
  }
  auto& root = bench.workspace.rootPath;
  CHECK(text(bench.call("glob", pattern("*.txt")).output) ==
        root + "/new.txt\n" + root + "/a.txt\n" + root + "/mid.txt\n" + root + "/old.txt");
  auto grep = text(bench.call("grep", pattern("needle")).output);
  CHECK(grep.find("new.txt") < grep.find("a.txt"));
  CHECK(grep.find("a.txt:") < grep.find("mid.txt"));
  CHECK(grep.find("mid.txt") < grep.find("old.txt"));
}

TEST_CASE("among many matches the newest hundred are shown") {
  Bench bench;
  for (int i = 0; i < 300; ++i) {
    auto name = "f" + std::to_string(i);
    bench.workspace.put(name, "needle\nneedle\n");
    age(bench, name, 1000 + i);
  }
  auto glob = text(bench.call("glob", pattern("f*")).output);
  CHECK(glob.find("/f299\n") != std::string::npos);
  CHECK(glob.find("/f200\n") != std::string::npos);
  CHECK(glob.find("/f199\n") == std::string::npos);
  auto grep = bench.call("grep", pattern("needle"));
  CHECK(text(grep.output).starts_with("Found 100 matches (more matches available)\n"));
  CHECK(text(grep.output).find("/f250:") != std::string::npos);
  CHECK(text(grep.output).find("/f249:") == std::string::npos);
}

TEST_CASE("patterns are data for ripgrep and for the shell") {
  Bench bench;
  bench.workspace.put("a.txt", "--pre=touch\n$(touch pwned) 'quoted' \"double\"\n-e x --files\n");
  for (std::string p :
       {"--pre=touch", "-e", "'quoted'", "\"double\"", "\\$\\(touch pwned\\)", "--files", "--"}) {
    INFO(p);
    auto result = bench.call("grep", pattern(p));
    CHECK_FALSE(result.failed);
    CHECK(text(result.output).starts_with("Found "));
  }
  for (std::string p : {"--files", "-rf", "$(touch pwned)", "`touch pwned`", "';touch pwned;'",
                        "--pre=touch pwned"}) {
    CHECK_FALSE(bench.call("glob", pattern(p)).failed);
    CHECK_FALSE(
        bench
            .call("grep", kj::str(R"({"pattern":"x","include":")", kj::StringPtr(p.c_str()), "\"}"))
            .failed);
  }
  CHECK(bench.workspace.get("pwned") == nullptr);
}

TEST_CASE("however much there is to find, a hundred results are shown, long lines cut") {
  Bench bench;
  for (int i = 0; i < 200; ++i) {
    bench.workspace.put(std::string(200, 'd') + "/" + std::string(200, 'n') + "/" +
                            std::string(150, 'f') + std::to_string(i),
                        std::string(1999, 'x') + "\n");
  }
  auto glob = bench.call("glob", pattern("**"));
  CHECK(std::count(glob.output.begin(), glob.output.end(), '\n') == 101);
  CHECK(text(glob.output).find("(Results are truncated") != std::string::npos);
  auto grep = bench.call("grep", pattern("x+"));
  CHECK(text(grep.output).starts_with("Found 100 matches"));
  CHECK(grep.output.size() < 100 * (2000 + 800));
  CHECK(text(grep.output).find("(more matches available)") != std::string::npos);
}

TEST_CASE("a match that ripgrep cannot report in short ends the search, as in OpenCode") {
  Bench bench;
  bench.workspace.put("a.js", "first\n" + std::string(3'000'000, 'x') + "needle" +
                                  std::string(1'000'000, '"') + "\n");
  auto result = bench.call("grep", pattern("needle"));
  CHECK(result.failed);
  CHECK(text(result.output) == "Ripgrep JSON record exceeded 65536 bytes");
  CHECK(text(bench.call("grep", pattern("first")).output).starts_with("Found 1 matches"));
  bench.workspace.put("a.js", "caf\xe9\n");
  CHECK(text(bench.call("grep", pattern("caf")).output) == "Invalid ripgrep match output");
}

TEST_CASE("patterns of sandboxes without ripgrep mean what they mean to ripgrep") {
  auto matches = [](std::string_view p, std::string_view path) {
    return GlobPattern(p).matches(path, false);
  };
  CHECK(matches("*.ts", "a/b/c.ts"));
  CHECK_FALSE(matches("*.ts", "a/b/c.tsx"));
  CHECK(matches("**/*.ts", "c.ts"));
  CHECK(matches("src/**/*.ts", "src/a/b/c.ts"));
  CHECK(matches("src/**", "src/a/b"));
  CHECK_FALSE(matches("src/*.ts", "src/a/c.ts"));
  CHECK_FALSE(matches("/a.ts", "b/a.ts"));
  CHECK(matches("a.{ts,js}", "a.js"));
  CHECK(matches("{a,b{c,d}}.x", "bd.x"));
  CHECK(matches("[!a]?.c", "bx.c"));
  CHECK_FALSE(matches("[!a]?.c", "ax.c"));
  CHECK(matches("\\*", "*"));
  CHECK_FALSE(matches("\\*", "a"));
  CHECK_FALSE(matches("./a.ts", "a.ts"));
  CHECK_FALSE(matches(std::string(30, '*') + "x*********y", std::string(5000, 'x')));
  CHECK(isPosixRegex("a(b|c)+[0-9]{2}\\."));
  CHECK_FALSE(isPosixRegex("\\d+"));
  CHECK_FALSE(isPosixRegex("(?i)x"));
  CHECK_FALSE(isPosixRegex("a.*?b"));
}

TEST_CASE("long output is kept whole in the sandbox, where read finds it") {
  Bench bench;
  auto result = bench.call("bash", command("seq 1 30000; echo END"));
  checkFits(result);
  auto output = text(result.output);
  CHECK(output.starts_with(
      "...output truncated...\n\nFull output saved to: /tmp/.sandbridge/output/tool_"));
  CHECK(output.ends_with("29999\n30000\nEND\n"));
  auto metadata = parseJson(result.metadata);
  std::string path = metadata["outputPath"].GetString();
  std::string expected;
  for (int i = 1; i <= 30000; ++i) expected += std::to_string(i) + "\n";
  CHECK(KJ_ASSERT_NONNULL(bench.workspace.get(path)) == expected + "END\n");
  struct stat stats;
  REQUIRE(stat(path.c_str(), &stats) == 0);
  CHECK((stats.st_mode & 0777) == 0600);
  auto page = bench.call(
      "read", kj::str(R"({"filePath":")", kj::StringPtr(path.c_str()), R"(","offset":30000})"));
  CHECK(text(page.output).find("30000: 30000\n30001: END") != std::string::npos);
  fs::remove(path);
}

TEST_CASE("short output leaves no file behind, many short lines do") {
  Bench bench;
  auto count = []() {
    std::error_code none;
    size_t n = 0;
    for (auto& entry : fs::directory_iterator("/tmp/.sandbridge/output", none))
      n += entry.is_regular_file();
    return n;
  };
  size_t before = count();
  CHECK(text(bench.call("bash", command("echo hello")).output) == "hello\n");
  CHECK(count() == before);
  auto result = bench.call("bash", command("seq 1 2500"));
  auto metadata = parseJson(result.metadata);
  CHECK(metadata["truncated"].GetBool());
  std::string path = metadata["outputPath"].GetString();
  CHECK(fs::exists(path));
  fs::remove(path);
}

TEST_CASE("output of every size ends with its end and fits") {
  Bench bench;
  for (size_t size : {50000, 51190, 51199, 51200, 51201, 60000, 131072, 262144, 262145, 1000000}) {
    INFO(size);
    auto result = bench.call("bash", command("head -c " + std::to_string(size - 4) +
                                             " /dev/zero | tr '\\0' x; echo; echo E"));
    checkFits(result);
    CHECK(text(result.output).ends_with("\nE\n"));
    auto metadata = parseJson(result.metadata);
    if (metadata.HasMember("outputPath")) fs::remove(metadata["outputPath"].GetString());
  }
}

TEST_CASE("a watcher that never answers does not stall the command or its result") {
  Bench bench;
  bench.ui.outputHangs = true;
  auto result = bench.call("bash", command("seq 1 100000; echo END"));
  CHECK(text(result.output).ends_with("END\n"));
  CHECK(bench.ui.outputs == 1);
  fs::remove(parseJson(result.metadata)["outputPath"].GetString());
}

TEST_CASE("live output arrives before the command ends") {
  Bench bench;
  auto& scope = bench.loop.io.waitScope;
  auto arguments = command("echo first; until [ -e go ]; do sleep 0.05; done; echo second");
  auto call = bench.toolbox->call("bash", arguments, bench.ui);
  while (bench.ui.shown.empty()) {
    REQUIRE_FALSE(call.poll(scope));
    usleep(2000);
  }
  CHECK(bench.ui.shown == "first\n");
  bench.workspace.put("go", "");
  CHECK(text(call.wait(scope).output) == "first\nsecond\n");
  CHECK(bench.ui.shown == "first\nsecond\n");
}

TEST_CASE("dropping a call kills what it has started") {
  Bench bench;
  auto& scope = bench.loop.io.waitScope;
  auto arguments = command("sleep 1000 & echo $! >pid; echo started; wait");
  kj::Promise<ToolResult> call = bench.toolbox->call("bash", arguments, bench.ui);
  while (bench.ui.shown.empty()) {
    call.poll(scope);
    usleep(2000);
  }
  pid_t pid = std::stoi(KJ_ASSERT_NONNULL(bench.workspace.get("pid")));
  REQUIRE(kill(pid, 0) == 0);
  call = nullptr;
  auto gone = [&]() {
    // The orphan may stay as a zombie where nobody reaps it.
    std::string stat;
    KJ_IF_MAYBE (text, bench.workspace.get("/proc/" + std::to_string(pid) + "/stat")) {
      stat = *text;
    }
    return stat.empty() || stat.find(") Z") != std::string::npos;
  };
  for (int i = 0; i < 1000 && !gone(); ++i) usleep(10000);
  CHECK(gone());
}

TEST_CASE("a stopped command's result has what it printed until its end") {
  constexpr kj::StringPtr NOTE = "\n\n<shell_metadata>\nUser aborted the command\n</shell_metadata>"_kj;
  Bench bench;
  auto stopped = [&](std::string_view line) {
    bench.ui.shown.clear();
    auto result = bench.call("bash", command(line));
    CHECK(parseJson(result.metadata)["exit"].IsNull());
    CHECK_FALSE(result.failed);
    return result;
  };

  bench.ui.stopAt = std::string("before");
  auto result = stopped("trap 'echo bye; exit 3' TERM; echo before; sleep 1000 & wait");
  CHECK(text(result.output) == std::string("before\nbye\n") + NOTE.cStr());
  CHECK(parseJson(result.metadata)["output"].GetString() == std::string("before\nbye\n"));
  CHECK(bench.ui.shown == "before\nbye\n");

  SECTION("also of one that ends only when it is killed") {
    auto result = stopped("trap '' TERM; echo before; while :; do sleep 1; done");
    CHECK(text(result.output) == std::string("before\n") + NOTE.cStr());
  }
  SECTION("and one that ends by itself first keeps its exit code") {
    bench.ui.stopAt = std::string("never printed");
    CHECK(parseJson(bench.call("bash", command("sleep 0.2; exit 4")).metadata)["exit"].GetInt() == 4);
  }
  SECTION("nothing, when it had not begun") {
    bench.ui.stopAt = std::string();
    bench.workspace.startHangs = true;
    CHECK(text(stopped("echo x").output) == std::string("(no output)") + NOTE.cStr());
    CHECK(bench.ui.shown == "");
  }
}

TEST_CASE("a shell that is killed has ended") {
  Bench bench;
  auto result = bench.call("bash", command("echo a; kill -9 $$"));
  CHECK(text(result.output) == "a\n");
  CHECK(parseJson(result.metadata)["exit"].GetInt() == 137);
}

TEST_CASE("a failed command's background processes end, a successful one's live on") {
  Bench bench;
  bench.call("bash", command("sleep 300 >/dev/null 2>&1 & echo $! >pid; exit 0"));
  pid_t pid = std::stoi(KJ_ASSERT_NONNULL(bench.workspace.get("pid")));
  CHECK(kill(pid, 0) == 0);
  kill(pid, SIGKILL);
  bench.call("bash", command("sleep 300 >/dev/null 2>&1 & echo $! >pid; exit 3"));
  pid = std::stoi(KJ_ASSERT_NONNULL(bench.workspace.get("pid")));
  std::string stat;
  for (int i = 0; i < 1000; ++i) {
    stat = "";
    KJ_IF_MAYBE (text, bench.workspace.get("/proc/" + std::to_string(pid) + "/stat")) {
      stat = *text;
    }
    if (stat.empty() || stat.find(") Z") != std::string::npos) break;
    usleep(10000);
  }
  CHECK((stat.empty() || stat.find(") Z") != std::string::npos));
}

TEST_CASE("output that cannot be saved is still shown, and said not to be saved") {
  Bench bench;
  // In the place of tee, which goes on when the disk is full, and fails in the end.
  bench.workspace.put("bin/tee", "#!/bin/sh\ncat\nexit 1\n");
  REQUIRE(chmod(bench.workspace.resolve("bin/tee").c_str(), 0755) == 0);
  bench.workspace.searchPath = bench.workspace.resolve("bin") + ":/usr/bin:/bin";
  auto result = bench.call("bash", command("seq 1 20000"));
  CHECK(text(result.output)
            .starts_with("...output truncated...\n\nThe full output could not be saved"));
  CHECK(text(result.output).ends_with("19999\n20000\n"));
  CHECK_FALSE(parseJson(result.metadata).HasMember("outputPath"));
  CHECK(text(bench.call("bash", command("echo short")).output) == "short\n");
}

TEST_CASE("a command longer than an argument may be is refused with a reason") {
  Bench bench;
  auto result = bench.call("bash", command(": " + std::string(200000, 'x')));
  CHECK(result.failed);
  CHECK(text(result.output).find("at most") != std::string::npos);
}

}  // namespace
}  // namespace sandbridge::test
