// What the tools tell of errors in changed files, with a language server that does what the test wants.

#include "tools/directory-workspace.h"

#include "base/ids.h"
#include "base/json.h"
#include "lsp/session-servers.h"
#include "tools/text.h"

#include <catch2/catch.hpp>
#include <kj/debug.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sandbridge {
namespace {

using Catch::Matchers::Contains;

class QuietUi final : public SilentUi {
 public:
  bool wantsDiagnostics() override { return false; }
};

const std::string SERVERS[] = {"clangd", "pyright-langserver", "typescript-language-server", "gopls"};

// A toolbox with language servers over a directory of this machine; the servers are fake-server.py.
struct Bench {
  test::TestLoop loop;
  test::DirectoryWorkspace workspace{loop.io};
  FileMemory memory;
  std::string bin = workspace.top + "/bin", log = workspace.top + "/log";
  kj::Own<Toolbox> toolbox;

  // Nothing is late, unless it is to be.
  explicit Bench(std::string mode = "", kj::Duration limit = 120 * kj::SECONDS, kj::Duration lookAgain = lsp::LOOK_AGAIN) {
    std::filesystem::create_directory(bin);
    install(mode);
    workspace.searchPath = bin + ":/usr/local/bin:/usr/bin:/bin";
    auto& timer = loop.io.provider->getTimer();
    toolbox = newToolbox(workspace, timer, memory, nullptr, lsp::newSessionServers(workspace, timer, limit, lookAgain));
  }

  ~Bench() { std::filesystem::remove_all(records()); }

  void install(std::string mode = "") {
    for (auto& program : SERVERS) {
      auto path = bin + "/" + program;
      std::ofstream(path) << "#!/bin/sh\nexport FAKE_SERVER_LOG='" << log << "' FAKE_SERVER_MODE='" << mode
                          << "'\nexec python3 '" << SANDBRIDGE_SOURCE_DIR << "/test/lsp/fake-server.py' \"$@\"\n";
      KJ_SYSCALL(chmod(path.c_str(), 0755));
    }
  }

  // All that this machine has, but no server, wherever it is installed.
  void uninstall() {
    for (auto& server : SERVERS) std::filesystem::remove(bin + "/" + server);
    for (auto& entry : std::filesystem::directory_iterator("/usr/bin")) {
      auto name = entry.path().filename().string();
      if (std::find(std::begin(SERVERS), std::end(SERVERS), name) == std::end(SERVERS)) {
        std::filesystem::create_symlink(entry.path(), bin + "/" + name);
      }
    }
    workspace.searchPath = bin;
  }

  // Where the servers that run are known, on this machine's /tmp.
  std::string records() {
    return "/tmp/.sandbridge/servers-" + std::string(view(sha256Hex(workspace.root()))).substr(0, 16);
  }

  ToolResult call(kj::StringPtr tool, std::vector<std::pair<kj::StringPtr, std::string>> arguments,
                  ToolUi& ui = silentUi()) {
    JsonWriter json;
    json.beginObject();
    for (auto& [name, value] : arguments) json.field(name, kj::arrayPtr(value.data(), value.size()));
    json.endObject();
    auto result = toolbox->call(tool, json.finish(), ui).wait(loop.io.waitScope);
    INFO(result.output.cStr());
    REQUIRE_FALSE(result.failed);
    return result;
  }
  ToolResult write(std::string path, std::string content, ToolUi& ui = silentUi()) {
    return call("write", {{"filePath", path}, {"content", content}}, ui);
  }

  std::string read(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  size_t count(std::string_view line) {
    auto text = "\n" + read(log);
    size_t count = 0;
    for (size_t at = 0; (at = text.find("\n" + std::string(line), at)) != std::string::npos; ++at) ++count;
    return count;
  }
  size_t starts() { return count("start "); }

  void pause(kj::Duration time) { loop.io.provider->getTimer().afterDelay(time).wait(loop.io.waitScope); }
  // Whether a write goes on waiting when the server has said what it says.
  bool waitsAfter(std::string path, std::string content) {
    JsonWriter json;
    json.beginObject().field("filePath", kj::arrayPtr(path.data(), path.size()));
    json.field("content", kj::arrayPtr(content.data(), content.size())).endObject();
    auto before = count("shown");
    auto waiting = toolbox->call("write", json.finish(), silentUi());
    while (count("shown") == before) {
      if (waiting.poll(loop.io.waitScope)) return false;
      pause(5 * kj::MILLISECONDS);
    }
    pause(500 * kj::MILLISECONDS);
    return !waiting.poll(loop.io.waitScope);
  }
  std::string path(std::string_view name) { return workspace.rootPath + "/" + std::string(name); }
};

std::string outputOf(const ToolResult& result) { return result.output.cStr(); }

std::string diagnosticsOf(const ToolResult& result) {
  auto metadata = parseJson(result.metadata);
  return toJson(KJ_ASSERT_NONNULL(getMember(metadata, "diagnostics"))).cStr();
}

TEST_CASE("errors in a written file are told in OpenCode's words, and warnings are not") {
  Bench bench;
  auto result = bench.write("a.c", "int x;\n  error: no such thing\nwarning: meh\n");
  CHECK(outputOf(result) == "Wrote file successfully.\n\nLSP errors detected in this file, please fix:\n"
                            "<diagnostics file=\"" + bench.path("a.c") + "\">\n"
                            "ERROR [2:3] no such thing\n</diagnostics>");
  CHECK(diagnosticsOf(result) ==
        "{\"" + bench.path("a.c") + "\":["
        R"({"range":{"start":{"line":1,"character":2},"end":{"line":1,"character":22}},"severity":1,"code":"fake","source":"test","message":"no such thing"},)"
        R"({"range":{"start":{"line":2,"character":0},"end":{"line":2,"character":12}},"severity":2,"code":"fake","source":"test","message":"meh"}]})");
  CHECK_THAT(bench.read(bench.log), Contains("start --background-index --clang-tidy\n"));
  CHECK_THAT(bench.read(bench.log), Contains("\"languageId\": \"c\""));
}

TEST_CASE("a file without errors has an empty list and no block") {
  Bench bench;
  auto result = bench.write("a.c", "int x;\n");
  CHECK(outputOf(result) == "Wrote file successfully.");
  CHECK(diagnosticsOf(result) == "{\"" + bench.path("a.c") + "\":[]}");
}

TEST_CASE("an edit tells the errors of what it has made of the file, by the same server") {
  Bench bench;
  bench.write("a.c", "error: one\n");
  auto result = bench.call("edit", {{"filePath", "a.c"}, {"oldString", "one"}, {"newString", "two"}});
  CHECK(outputOf(result) == "Edit applied successfully.\n\nLSP errors detected in this file, please fix:\n"
                            "<diagnostics file=\"" + bench.path("a.c") + "\">\nERROR [1:1] two\n</diagnostics>");
  result = bench.call("edit", {{"filePath", "a.c"}, {"oldString", "error: two"}, {"newString", "fine"}});
  CHECK(outputOf(result) == "Edit applied successfully.");
  CHECK(bench.starts() == 1);
  CHECK_THAT(bench.read(bench.log), Contains("textDocument/didChange"));
}

TEST_CASE("a multiedit tells the errors of what its last edit has made of the file") {
  Bench bench;
  bench.write("a.c", "one\n");
  auto edit = [&](kj::StringPtr edits) {
    auto json = kj::str("{\"filePath\":\"a.c\",\"edits\":", edits, "}");
    return bench.toolbox->call("multiedit", kj::mv(json), silentUi()).wait(bench.loop.io.waitScope);
  };
  auto result = edit(R"([{"oldString":"one","newString":"error: two"},{"oldString":"two","newString":"three"}])");
  CHECK(outputOf(result) == "Edit applied successfully.\n\nLSP errors detected in this file, please fix:\n"
                            "<diagnostics file=\"" + bench.path("a.c") + "\">\nERROR [1:1] three\n</diagnostics>");
  CHECK_THAT(diagnosticsOf(result), Contains("three") && !Contains("two"));
}

TEST_CASE("apply_patch tells the errors of each file that it leaves behind") {
  Bench bench;
  bench.write("old.c", "error: before\n");
  bench.write("gone.c", "error: gone\n");
  auto result = bench.call("apply_patch", {{"patchText",
      "*** Begin Patch\n*** Add File: new.c\n+error: new\n*** Update File: old.c\n*** Move to: sub/moved.c\n"
      "@@\n-error: before\n+error: after\n*** Delete File: gone.c\n*** Add File: plain.txt\n+error: no code\n*** End Patch"}});
  auto block = [&](std::string path, std::string message) {
    return "\n\nLSP errors detected in " + path + ", please fix:\n<diagnostics file=\"" + bench.path(path) +
           "\">\nERROR [1:1] " + message + "\n</diagnostics>";
  };
  CHECK(outputOf(result) == "Success. Updated the following files:\nA new.c\nM sub/moved.c\nD gone.c\nA plain.txt" +
                            block("new.c", "new") + block("sub/moved.c", "after"));
  CHECK_THAT(diagnosticsOf(result), !Contains("gone.c\":[{"));
}

TEST_CASE("write also tells the errors of five other files") {
  Bench bench;
  std::string text;
  for (int i = 0; i < 7; ++i) text += "do: other o" + std::to_string(i) + ".c\n";
  auto result = bench.write("a.c", text + "error: here\n");
  std::string expected = "Wrote file successfully.";
  for (int i = 0; i < 5; ++i) {
    auto name = "o" + std::to_string(i) + ".c";
    expected += "\n\nLSP errors detected in other files:\n<diagnostics file=\"" + bench.path(name) + "\">\nERROR [1:1] in " + name +
                "\n</diagnostics>";
  }
  expected += "\n\nLSP errors detected in this file, please fix:\n<diagnostics file=\"" + bench.path("a.c") +
              "\">\nERROR [8:1] here\n</diagnostics>";
  CHECK(outputOf(result) == expected);
}

TEST_CASE("of many long errors twenty are shown, the rest is counted, and the answer stays small") {
  Bench bench;
  auto result = bench.write("a.c", "do: many 200\n");
  CHECK_THAT(outputOf(result), Contains("\n... and 180 more\n</diagnostics>"));
  CHECK(result.output.size() < 64u << 10);
  CHECK(result.metadata.size() < 512u << 10);
}

TEST_CASE("what a server says twice counts the second time, and of what was before not at all") {
  Bench bench;
  CHECK_THAT(outputOf(bench.write("a.c", "do: twice\nerror: all of it\n")), Contains("ERROR [2:1] all of it"));
  CHECK_THAT(outputOf(bench.write("b.c", "do: without-version\nerror: some\n")), Contains("ERROR [2:1] some"));
  CHECK(bench.waitsAfter("a.c", "do: old-version\n"));
}

TEST_CASE("the first word of TypeScript's server on a file is not its last") {
  Bench bench;
  CHECK_THAT(outputOf(bench.write("a.ts", "do: twice\nerror: all of it\n")), Contains("ERROR [2:1] all of it"));
  CHECK(bench.waitsAfter("b.ts", "error: only said once\n"));
}

TEST_CASE("a server that does not answer costs a second and a half, and then nothing is told") {
  Bench bench("", DIAGNOSTICS_LIMIT);
  auto& clock = bench.loop.io.provider->getTimer();
  auto began = clock.now();
  auto result = bench.write("a.c", "do: silence\nerror: never told\n");
  CHECK(clock.now() - began < 20 * kj::SECONDS);
  CHECK(outputOf(result) == "Wrote file successfully.");
  CHECK(diagnosticsOf(result) == "{}");
}

TEST_CASE("a server that never answers is given up") {
  Bench bench("never-ready", 100 * kj::MILLISECONDS);
  for (int i = 0; i < 8; ++i) bench.write("a.c", "text " + std::to_string(i) + "\n");
  auto trips = bench.workspace.roundTrips;
  CHECK(outputOf(bench.write("a.c", "error: unseen\n")) == "Wrote file successfully.");
  CHECK(bench.workspace.roundTrips == trips + 1);
  CHECK(bench.starts() <= 1);
}

TEST_CASE("a server that crashes or sends nonsense is started again, and given up the third time") {
  auto deed = GENERATE(as<std::string>(), "crash", "garbage", "endless-header", "no-json", "huge-length", "deep");
  INFO(deed);
  Bench bench;
  for (int i = 0; i < 2; ++i) {
    CHECK(outputOf(bench.write("a.c", "do: " + deed + "\n" + std::to_string(i))) == "Wrote file successfully.");
  }
  CHECK_THAT(outputOf(bench.write("a.c", "error: alive\n")), Contains("ERROR [1:1] alive"));
  CHECK(bench.starts() == 3);
  bench.write("a.c", "do: " + deed + "\n");
  CHECK(outputOf(bench.write("a.c", "error: unseen\n")) == "Wrote file successfully.");
  CHECK(bench.starts() == 3);
}

TEST_CASE("a server that refuses to begin is no harm") {
  Bench bench("refuses");
  CHECK(outputOf(bench.write("a.c", "error: unseen\n")) == "Wrote file successfully.");
}

TEST_CASE("lists that are no lists, and files that are none of the workspace's, are left out") {
  Bench bench;
  auto result = bench.write("a.c", "do: nonsense\n");
  CHECK_THAT(outputOf(result), Contains("ERROR [1:1] \n") && !Contains("not of"));
  CHECK_THAT(diagnosticsOf(result), !Contains("passwd"));
}

TEST_CASE("a server gets answers to what it asks") {
  Bench bench;
  CHECK_THAT(outputOf(bench.write("a.c", "do: ask\nerror: told\n")), Contains("ERROR [2:1] told"));
  bench.write("a.c", "so that the answers have come\n");
  CHECK_THAT(bench.read(bench.log), Contains("None [null, null]\nNone null\nNone {\"code\": -32601"));
}

TEST_CASE("a server that is installed later is found") {
  Bench bench("", 120 * kj::SECONDS, 0 * kj::SECONDS);
  bench.uninstall();
  CHECK(outputOf(bench.write("a.c", "error: unseen\n")) == "Wrote file successfully.");
  bench.install();
  CHECK_THAT(outputOf(bench.write("a.c", "error: told\n")), Contains("ERROR [1:1] told"));
}

TEST_CASE("an image without a server is not asked again for a while") {
  Bench bench;
  bench.uninstall();
  bench.write("a.c", "error: unseen\n");
  auto trips = bench.workspace.roundTrips;
  auto result = bench.write("b.c", "error: unseen\n");
  CHECK(outputOf(result) == "Wrote file successfully.");
  CHECK(diagnosticsOf(result) == "{}");
  CHECK(bench.workspace.roundTrips == trips + 2);  // the look and the write
}

TEST_CASE("nothing is started for who does not want it, for files that no server knows, and outside of the workspace") {
  Bench bench;
  QuietUi quiet;
  auto result = bench.write("a.c", "error: unseen\n", quiet);
  CHECK(outputOf(result) == "Wrote file successfully.");
  CHECK(diagnosticsOf(result) == "{}");
  CHECK(outputOf(bench.write("a.txt", "error: unseen\n")) == "Wrote file successfully.");
  CHECK(outputOf(bench.write(bench.workspace.top + "/a.c", "error: unseen\n")) == "Wrote file successfully.");
  CHECK(bench.starts() == 0);
}

TEST_CASE("a call that is cancelled while it waits for a server leaves the server to the next") {
  Bench bench;
  CHECK(bench.waitsAfter("a.c", "do: silence\n"));  // and is cancelled
  CHECK_THAT(outputOf(bench.write("a.c", "error: told\n")), Contains("ERROR [1:1] told"));
  CHECK(bench.starts() == 1);
}

TEST_CASE("the servers end when the session rests, and start again when they are needed") {
  Bench bench;
  bench.write("a.c", "error: told\n");
  bench.toolbox->rest().wait(bench.loop.io.waitScope);
  CHECK_THAT(outputOf(bench.write("a.c", "error: again\n")), Contains("ERROR [1:1] again"));
  CHECK(bench.starts() == 2);
}

TEST_CASE("a server that a bridge has left behind is ended when the next one starts") {
  Bench bench;
  bench.write("a.c", "error: told\n");
  std::istringstream record(bench.read(bench.records() + "/clangd"));
  pid_t left = 0;
  record >> left;
  REQUIRE(kill(left, 0) == 0);
  // Another bridge, while the first one cannot end what it has started.
  auto& timer = bench.loop.io.provider->getTimer();
  auto next = newToolbox(bench.workspace, timer, bench.memory, nullptr, lsp::newSessionServers(bench.workspace, timer, 120 * kj::SECONDS));
  auto result = next->call("write", R"({"filePath":"b.c","content":"error: by the other\n"})", silentUi()).wait(bench.loop.io.waitScope);
  CHECK_THAT(outputOf(result), Contains("ERROR [1:1] by the other"));
  while (kill(left, 0) == 0) bench.pause(5 * kj::MILLISECONDS);
  CHECK(bench.starts() == 2);
}

TEST_CASE("names that a URI cannot hold as they are come back whole") {
  Bench bench;
  auto name = GENERATE(as<std::string>(), "a b%20c.c", "ü#?&+'\".c", "c++/x.c++");
  auto result = bench.write(name, "error: told\n");
  CHECK_THAT(outputOf(result), Contains("this file") && Contains("<diagnostics file=\"" + bench.path(name) + "\">\nERROR [1:1] told\n"));
}

TEST_CASE("a real clangd finds what a compiler would") {
  Bench bench;
  std::filesystem::remove(bench.bin + "/clangd");
  auto result = bench.write("main.c", "int main(void) {\n  return missing;\n}\n");
  CHECK_THAT(outputOf(result), Contains("\n\nLSP errors detected in this file, please fix:\n<diagnostics file=\"" +
                                        bench.path("main.c") + "\">\nERROR [2:10] Use of undeclared identifier 'missing'\n"));
  result = bench.call("edit", {{"filePath", "main.c"}, {"oldString", "missing"}, {"newString", "0"}});
  CHECK(outputOf(result) == "Edit applied successfully.");
  CHECK(diagnosticsOf(result) == "{\"" + bench.path("main.c") + "\":[]}");
}

TEST_CASE("two calls at once on two files each get their own errors") {
  Bench bench;
  auto first = bench.toolbox->call("write", R"({"filePath":"a.c","content":"error: one\n"})", silentUi());
  auto second = bench.toolbox->call("write", R"({"filePath":"b.py","content":"error: two\n"})", silentUi());
  CHECK_THAT(outputOf(first.wait(bench.loop.io.waitScope)), Contains("ERROR [1:1] one"));
  CHECK_THAT(outputOf(second.wait(bench.loop.io.waitScope)), Contains("ERROR [1:1] two"));
}

}  // namespace
}  // namespace sandbridge
