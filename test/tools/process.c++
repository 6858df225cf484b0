// process: background commands, over real processes.

#include "directory-workspace.h"

#include "base/ids.h"
#include "base/json.h"
#include "tools/text.h"

#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <stdlib.h>

#include <kj/debug.h>

#include <filesystem>
#include <fstream>

namespace sandbridge::test {
namespace {

namespace fs = std::filesystem;

struct ProcessBench : Bench {
  std::string folder = "/tmp/.sandbridge/processes-" +
                       std::string(view(sha256Hex(toKj(workspace.rootPath)))).substr(0, 16);

  ~ProcessBench() {
    // Whatever a test that failed has left.
    if (!fs::exists(folder)) return;
    for (auto& entry : fs::directory_iterator(folder)) {
      call("process", kj::str("{\"action\":\"kill\",\"id\":", entry.path().filename().c_str(), "}"));
    }
    fs::remove_all(folder);
  }

  ToolResult process(kj::StringPtr fields) { return call("process", kj::str("{", fields, "}")); }
  std::string text(kj::StringPtr fields) {
    auto result = process(fields);
    CHECK_FALSE(result.failed);
    return std::string(view(result.output));
  }
  std::string error(kj::StringPtr fields) {
    auto result = process(fields);
    CHECK(result.failed);
    return std::string(view(result.output));
  }
  // Without the line about ports: this machine has its own.
  std::string words(kj::StringPtr fields) {
    auto all = text(fields);
    auto at = all.find("\nPorts that something");
    if (at != std::string::npos) all.erase(at, all.find('\n', at + 1) == std::string::npos ? std::string::npos : all.find('\n', at + 1) - at);
    return all;
  }
  bool hasProcess(std::string_view mark) {
    for (auto& entry : fs::directory_iterator("/proc")) {
      std::ifstream in(entry.path() / "cmdline");
      std::string line((std::istreambuf_iterator<char>(in)), {});
      if (line.find(mark) != std::string::npos) return true;
    }
    return false;
  }
};

std::string number(const ToolResult& result, const char* name) {
  auto document = parseJson(result.metadata);
  auto& value = KJ_ASSERT_NONNULL(getMember(document, name));
  return toJson(value).cStr();
}

TEST_CASE("a background process is started, read from an offset, given input, and listed") {
  ProcessBench bench;
  CHECK(bench.words(R"("action":"list")") == "There are no background processes.");
  CHECK(bench.words(R"("action":"start","command":"echo ready; while read -r line; do echo \"got $line\"; done; echo bye >&2; exit 3")") ==
        "Process 1 (running): echo ready; while read -r line; do echo \"got $line\"; done; echo bye >&2; exit 3\n"
        "<output from=\"0\" to=\"6\">\nready\n</output>\n(Use offset=6 to read what comes next.)");
  CHECK(bench.words(R"("action":"input","id":1,"input":"one\n")") ==
        "Process 1 (running): echo ready; while read -r line; do echo \"got $line\"; done; echo bye >&2; exit 3\n"
        "<output from=\"6\" to=\"14\">\ngot one\n</output>\n(Use offset=14 to read what comes next.)");
  CHECK(bench.words(R"("action":"output","id":1,"offset":3)").find("<output from=\"3\" to=\"14\">\ndy\ngot one\n</output>") !=
        std::string::npos);
  CHECK(bench.words(R"("action":"list")") ==
        "Process 1 (running, 14 bytes of output): echo ready; while read -r line; do echo \"got $line\"; done; echo bye >&2; exit 3");
  auto end = bench.process(R"("action":"input","id":1,"close":true,"wait":5000)");
  bench.text(R"("action":"output","id":1,"wait":5000)");
  auto last = bench.process(R"("action":"output","id":1,"offset":14)");
  CHECK(number(last, "exit") == "3");
  CHECK(number(last, "running") == "false");
  CHECK(std::string(view(last.output)).find("(exited with code 3)") != std::string::npos);
  CHECK(std::string(view(last.output)).find("<output from=\"14\" to=\"18\">\nbye\n</output>") != std::string::npos);
  CHECK(bench.error(R"("action":"input","id":1,"input":"x")").find("takes no input") != std::string::npos);
}

TEST_CASE("each action of process is one round trip") {
  ProcessBench bench;
  for (auto fields : {R"("action":"start","command":"cat","wait":0)", R"("action":"output","id":1)",
                      R"("action":"input","id":1,"input":"x\n")", R"("action":"list")", R"("action":"kill","id":1)"}) {
    bench.workspace.roundTrips = 0;
    bench.text(fields);
    CHECK(bench.workspace.roundTrips == 1);
  }
}

TEST_CASE("a process outlives the toolbox that started it, and another toolbox kills all of its group") {
  ProcessBench bench;
  bench.text(R"("action":"start","command":"sleep 8642.5 & sleep 8642.5; echo not reached","wait":100)");
  bench.toolbox = newToolbox(bench.workspace, bench.loop.io.provider->getTimer(), bench.memory);
  CHECK(bench.words(R"("action":"list")").find("Process 1 (running") == 0);
  CHECK(bench.hasProcess("8642.5"));
  auto killed = bench.process(R"("action":"kill","id":1)");
  CHECK(number(killed, "exit") == "143");
  CHECK_FALSE(bench.hasProcess("8642.5"));
  // Again is no error.
  CHECK(number(bench.process(R"("action":"kill","id":1)"), "exit") == "143");
}

TEST_CASE("a process that ignores SIGTERM is killed 3 s later") {
  ProcessBench bench;
  bench.text(R"("action":"start","command":"trap '' TERM; echo on; while :; do sleep 0.1; done","wait":300)");
  CHECK(number(bench.process(R"("action":"kill","id":1)"), "exit") == "137");
  CHECK(bench.words(R"("action":"list")").find("Process 1 (exited with code 137") == 0);
}

TEST_CASE("a process hears SIGINT, has its own umask and the working directory that was asked for") {
  ProcessBench bench;
  bench.workspace.put("sub/x", "");
  auto mask = umask(022);
  auto result = bench.text(
      R"("action":"start","workdir":"sub","command":"umask; pwd; trap 'echo int; exit 5' INT; kill -INT $$; echo no","wait":5000)");
  umask(mask);
  CHECK(result.find("0022\n" + bench.workspace.rootPath + "/sub\nint\n") != std::string::npos);
  CHECK(result.find("exited with code 5") != std::string::npos);
}

TEST_CASE("of more output than is kept the beginning goes, offsets stay, and the process does not wait for readers") {
  ProcessBench bench;
  // 40 MB; a part is at most 16 MiB, and two are kept.
  auto result = bench.process(
      R"("action":"start","command":"head -c 40000000 /dev/zero | tr '\\0' x; printf END","wait":30000)");
  CHECK(number(result, "exit") == "0");
  CHECK(number(result, "end") == "40000003");
  auto tail = bench.process(R"("action":"output","id":1)");
  CHECK(view(tail.output).find("xEND\n</output>") != std::string::npos);
  CHECK(number(tail, "offset") == "40000003");
  auto head = bench.process(R"("action":"output","id":1,"offset":5)");
  CHECK(view(head.output).find("<output from=\"5\"") == std::string_view::npos);
  CHECK(number(head, "truncated") == "true");
  CHECK(head.output.size() < 40000);
  uint64_t size = 0;
  for (auto& entry : fs::directory_iterator(bench.folder + "/1")) {
    if (entry.path().filename().string().starts_with("out.")) size += entry.file_size();
  }
  CHECK(size <= (32u << 20));
}

TEST_CASE("output that is not UTF-8 is told as such, and its offsets count bytes") {
  ProcessBench bench;
  auto result = bench.process(R"("action":"start","command":"printf 'a\\377b'","wait":5000)");
  CHECK(view(result.output).find("a\xef\xbf\xbd" "b") != std::string_view::npos);
  CHECK(number(result, "offset") == "3");
}

TEST_CASE("hostile commands and inputs are text, not script") {
  ProcessBench bench;
  std::string command = "printf '%s' \\\"$(cat)\\\"";
  bench.text(kj::str("\"action\":\"start\",\"command\":\"", command.c_str(), "\",\"wait\":100"));
  bench.text(R"("action":"input","id":1,"input":"'; touch injected; $(touch injected) `touch injected` \n%s -n","wait":100)");
  auto result = bench.text(R"("action":"input","id":1,"close":true,"wait":5000)");
  CHECK(result.find("'; touch injected; $(touch injected) `touch injected` \n%s -n") != std::string::npos);
  CHECK(bench.workspace.get("injected") == nullptr);
}

TEST_CASE("wrong calls of process say what is wrong") {
  ProcessBench bench;
  CHECK(bench.error(R"("command":"x")").find("Missing key") != std::string::npos);
  CHECK(bench.error(R"("action":"stop")") ==
        "The process tool has no action \"stop\"; there are start, output, input, kill and list.");
  CHECK(bench.error(R"("action":"start")") == "The process tool's action \"start\" needs \"command\".");
  CHECK(bench.error(R"("action":"input","id":1)") == "The process tool's action \"input\" needs \"input\".");
  CHECK(bench.error(R"("action":"kill")") == "The process tool's action \"kill\" needs \"id\".");
  CHECK(bench.error(R"("action":"output","id":7)") ==
        "There is no process 7. The action \"list\" tells which there are.");
  CHECK(bench.error(R"("action":"start","command":"x","workdir":"none")") ==
        "NotFound: FileSystem.access (" + bench.workspace.rootPath + "/none)");
}

TEST_CASE("a process whose number another has by now is gone, and is not killed in its place") {
  ProcessBench bench;
  bench.text(R"("action":"start","command":"sleep 8642.25","wait":0)");
  // As after the restoring of a snapshot: the numbers are there, the processes are others.
  auto file = bench.folder + "/1/keeper";
  std::string pid, start, group;
  std::ifstream(file) >> pid >> start >> group;
  std::ofstream(file) << pid << " 1 " << group << "\n";
  CHECK(bench.words(R"("action":"kill","id":1)").find("Process 1 (gone: it ended without leaving its exit code)") == 0);
  CHECK(bench.hasProcess("8642.25"));
  std::ofstream(file) << pid << " " << start << " " << group << "\n";
}

TEST_CASE("process works where there is no bash") {
  ProcessBench bench;
  // Everything but bash.
  auto bin = bench.workspace.top + "/bin";
  fs::create_directories(bin);
  for (auto directory : {"/usr/bin", "/bin"}) {
    for (auto& entry : fs::directory_iterator(directory)) {
      auto name = entry.path().filename().string();
      if (name.find("bash") == std::string::npos && !fs::exists(fs::symlink_status(bin + "/" + name))) {
        fs::create_symlink(entry.path(), bin + "/" + name);
      }
    }
  }
  bench.workspace.searchPath = bin;
  bench.text(R"("action":"start","command":"cat","wait":0)");
  CHECK(bench.words(R"("action":"input","id":1,"input":"x\n","wait":5000)").find("\nx\n</output>") != std::string::npos);
  CHECK(number(bench.process(R"("action":"kill","id":1)"), "exit") == "143");
}

}  // namespace
}  // namespace sandbridge::test
