// websearch. The services are out of reach here, so a program stands for curl, which tells what it was called with. That real
// programs post what they are given: webfetch.c++. With TLS, and OpenCode's own beside it: test/opencode/web.test.mjs.

#include "directory-workspace.h"

#include "tools/text.h"

#include <kj/debug.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

namespace sandbridge::test {
namespace {

namespace fs = std::filesystem;

struct SearchBench : Bench {
  SearchBench() {
    fs::create_directory(workspace.top + "/bin");
    fs::create_symlink(fs::canonical("/bin/sh"), workspace.top + "/bin/sh");
    fs::create_symlink(fs::canonical("/bin/cat"), workspace.top + "/bin/cat");
    std::ofstream(workspace.top + "/bin/curl") << R"sh(#!/bin/sh
case $* in '-q -V') exit ;; esac
while [ $# -gt 1 ]; do
  case $1 in
    --url) printf %s "$2" >url ;;
    --data-raw) printf %s "$2" >sent ;;
  esac
  shift
done
printf 'HTTP/1.1 '
cat answer
exit "$(cat code)"
)sh";
    fs::permissions(workspace.top + "/bin/curl", fs::perms::owner_all);
    workspace.searchPath = workspace.top + "/bin";
    answer("");
  }

  void answer(std::string_view body, std::string_view status = "200 OK", int code = 0) {
    workspace.put("answer", std::string(status) + "\r\n\r\n" + std::string(body));
    workspace.put("code", std::to_string(code));
  }
  ToolResult search(kj::StringPtr arguments = R"({"query":"q"})") { return call("websearch", arguments); }
  std::string file(std::string name) { return KJ_ASSERT_NONNULL(workspace.get(name)); }
};

std::string text(kj::StringPtr s) {
  return std::string(view(s));
}

constexpr auto RESULT = R"({"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":""},{"type":"text","text":"Found it"}]}})";

TEST_CASE("a search is one call of the service's tool, as OpenCode makes it") {
  SearchBench bench;
  bench.answer(RESULT);
  auto before = bench.workspace.roundTrips;
  auto result = bench.search(R"j({"query":"a \"b\" $(c)"})j");
  CHECK(bench.workspace.roundTrips == before + 1);
  CHECK_FALSE(result.failed);
  CHECK(text(result.output) == "Found it");
  CHECK(text(result.title) == "Exa Web Search: a \"b\" $(c)");
  CHECK(text(result.metadata) == R"({"provider":"exa"})");
  CHECK(bench.file("url") == "https://mcp.exa.ai/mcp");
  CHECK(bench.file("sent") ==
        R"j({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"web_search_exa","arguments":{"query":"a \"b\" $(c)",)j"
        R"("type":"auto","numResults":8.0,"livecrawl":"fallback","contextMaxCharacters":null}}})");

  bench.search(R"({"query":"q","numResults":3,"type":"deep","livecrawl":"preferred","contextMaxCharacters":100})");
  CHECK_THAT(bench.file("sent"),
             Catch::Contains(R"("type":"deep","numResults":3.0,"livecrawl":"preferred","contextMaxCharacters":100.0)"));

  auto other = bench.search(R"({"query":"q","provider":"parallel"})");
  CHECK(text(other.title) == "Parallel Web Search: q");
  CHECK(bench.file("url") == "https://search.parallel.ai/mcp");
  CHECK_THAT(bench.file("sent"), Catch::Contains(R"({"name":"web_search","arguments":{"objective":"q","search_queries":["q"]}})"));
}

TEST_CASE("a result is found in a stream of events, too") {
  SearchBench bench;
  bench.answer(std::string("event: message\r\ndata: \r\ndata: {\"result\":{\"content\":[]}}\r\ndata: ") + RESULT + "\r\n\r\n");
  CHECK(text(bench.search().output) == "Found it");
  auto nothing = GENERATE(as<std::string>(), "", "\n", "event: message\n", R"({"result":{"content":[]}})",
                          R"(data: {"result":{"content":[{"type":"text","text":""}]}})");
  bench.answer(nothing);
  auto result = bench.search();
  CHECK_FALSE(result.failed);
  CHECK(text(result.output) == "No search results found. Please try a different query.");
}

TEST_CASE("a search that fails says why") {
  SearchBench bench;
  auto failure = [&](kj::StringPtr arguments = R"({"query":"q"})") {
    auto result = bench.search(arguments);
    CHECK(result.failed);
    return text(result.output);
  };
  bench.answer("slow down", "429 Too Many");
  CHECK(failure() == "StatusCode: non 2xx status code (429 POST https://mcp.exa.ai/mcp)");
  bench.answer("", "200 OK", 28);
  CHECK(failure() == "web_search_exa request timed out");
  CHECK(failure(R"({"query":"q","provider":"parallel"})") == "web_search request timed out");
  bench.answer("", "200 OK", 7);
  CHECK(failure() == "Transport error (POST https://mcp.exa.ai/mcp)");
  bench.answer(R"({"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no more today"}})");
  CHECK(failure() == "web_search_exa: no more today");
  for (auto garbage : {"{", "{}", R"({"result":7})", R"({"result":{"content":"x"}})", "data: {]"}) {
    INFO(garbage);
    bench.answer(garbage);
    CHECK(failure() == "web_search_exa: what was answered is no search's result");
  }
  CHECK(failure(R"({"query":"q","type":"x"})").starts_with("The websearch tool was called with invalid arguments: "));
  CHECK(failure("{}").starts_with("The websearch tool was called with invalid arguments: "));
}

TEST_CASE("a search asks first, with what it was given") {
  SearchBench bench;
  bench.ui.refusal = "No.";
  auto result = bench.search(R"({"query":"q","numResults":3,"type":"fast"})");
  CHECK(result.failed);
  CHECK(text(result.output) == "No.");
  REQUIRE(bench.ui.asked.size() == 1);
  CHECK(bench.ui.asked[0].permission == "websearch");
  CHECK(bench.ui.asked[0].patterns == std::vector<std::string>{"q"});
  CHECK(bench.ui.asked[0].always == std::vector<std::string>{"*"});
  CHECK(bench.ui.asked[0].metadata == R"({"query":"q","numResults":3.0,"type":"fast","provider":"exa"})");
  CHECK(bench.workspace.get("sent") == nullptr);
}

}  // namespace
}  // namespace sandbridge::test
