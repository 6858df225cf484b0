// Links in the workspace that lead out of it: the question for what is outside is asked for where they lead, before anything is
// shown or changed.

#include "directory-workspace.h"

#include "base/json.h"
#include "tools/place.h"
#include "tools/text.h"

#include <catch2/catch.hpp>

#include <kj/debug.h>

#include <filesystem>

namespace sandbridge::test {
namespace {

namespace fs = std::filesystem;

kj::String object(std::initializer_list<std::pair<const char*, std::string>> fields) {
  JsonWriter json;
  json.beginObject();
  for (auto& [name, value] : fields) json.field(name, kj::arrayPtr(value.data(), value.size()));
  json.endObject();
  return json.finish();
}

// A workspace with links, and a directory beside it.
struct Links : Bench {
  std::string outside = workspace.top + "/outside";

  Links() {
    workspace.put(outside + "/secret.txt", "secret\n");
    workspace.put("inner/file.txt", "inside\n");
    link(outside, "out");
    link(outside + "/secret.txt", "out.txt");
    link("inner", "in");
    link("inner/file.txt", "in.txt");
    link("loop", "loop");
  }

  void link(const std::string& to, const std::string& name) {
    fs::create_symlink(to, workspace.resolve(name));
  }

  // The patterns of the questions for what is outside; others are left out.
  std::vector<std::string> places() {
    std::vector<std::string> patterns;
    for (auto& asked : ui.asked) {
      if (asked.permission != "external_directory") continue;
      REQUIRE(asked.patterns.size() == 1);
      patterns.push_back(asked.patterns[0]);
    }
    ui.asked.clear();
    return patterns;
  }
  std::vector<std::string> onceOutside() { return {outside + "/*"}; }
};

kj::String patch(std::string_view body) {
  return object({{"patchText", "*** Begin Patch\n" + std::string(body) + "\n*** End Patch"}});
}

}  // namespace

TEST_CASE("what a link inside leads to outside is asked for where it is") {
  Links bench;
  struct Call {
    const char* tool;
    kj::String arguments;
  };
  auto calls = kj::arr(
      Call{"read", object({{"filePath", "out.txt"}})},
      Call{"read", object({{"filePath", "out/secret.txt"}})},
      Call{"read", object({{"filePath", "out"}})},
      Call{"edit", object({{"filePath", "out.txt"}, {"oldString", "secret"}, {"newString", "s"}})},
      Call{"write", object({{"filePath", "out/secret.txt"}, {"content", "x"}})},
      Call{"write", object({{"filePath", "out/new.txt"}, {"content", "x"}})},
      Call{"apply_patch", patch("*** Update File: out/secret.txt\n@@\n-secret\n+s")},
      Call{"apply_patch", patch("*** Delete File: out/secret.txt")},
      Call{"apply_patch", patch("*** Update File: inner/file.txt\n*** Move to: out/moved.txt\n@@\n-inside\n+s")},
      Call{"glob", object({{"pattern", "*"}, {"path", "out"}})},
      Call{"grep", object({{"pattern", "secret"}, {"path", "out"}})},
      Call{"list", object({{"path", "out"}})});
  for (auto& call : calls) {
    CAPTURE(call.tool, call.arguments.cStr());
    // Refused, nothing is shown and nothing changed.
    bench.ui.refusal = "no";
    auto result = bench.call(call.tool, call.arguments);
    CHECK(result.failed);
    CHECK(std::string(view(result.output)).find("secret") == std::string::npos);
    CHECK(KJ_ASSERT_NONNULL(bench.workspace.get(bench.outside + "/secret.txt")) == "secret\n");
    CHECK_FALSE(fs::exists(bench.outside + "/new.txt"));
    bench.places();

    bench.ui.refusal = "";
    CHECK_FALSE(bench.call(call.tool, call.arguments).failed);
    CHECK(bench.places() == bench.onceOutside());
    // What has been seen once is asked for again.
    bench.workspace.put(bench.outside + "/secret.txt", "secret\n");
    bench.workspace.put("inner/file.txt", "inside\n");
    fs::remove(bench.outside + "/new.txt");
    fs::remove(bench.outside + "/moved.txt");
    CHECK_FALSE(bench.call(call.tool, call.arguments).failed);
    CHECK(bench.places() == bench.onceOutside());
    bench.workspace.put(bench.outside + "/secret.txt", "secret\n");
    bench.workspace.put("inner/file.txt", "inside\n");
    fs::remove(bench.outside + "/new.txt");
    fs::remove(bench.outside + "/moved.txt");
  }
}

TEST_CASE("links that stay inside, lead nowhere or in a circle ask nothing more") {
  Links bench;
  CHECK_FALSE(bench.call("read", object({{"filePath", "in.txt"}})).failed);
  CHECK_FALSE(bench.call("read", object({{"filePath", "in/file.txt"}})).failed);
  CHECK_FALSE(bench.call("write", object({{"filePath", "in/deep/new.txt"}, {"content", "x"}})).failed);
  CHECK_FALSE(bench.call("edit", object({{"filePath", "in.txt"}, {"oldString", "inside"}, {"newString", "x"}})).failed);
  CHECK_FALSE(bench.call("glob", object({{"pattern", "*"}, {"path", "in"}})).failed);
  CHECK_FALSE(bench.call("grep", object({{"pattern", "x"}, {"path", "in"}})).failed);
  CHECK(bench.call("read", object({{"filePath", "loop"}})).failed);
  CHECK(bench.call("read", object({{"filePath", "missing/deep"}})).failed);
  CHECK(bench.places().empty());
}

TEST_CASE("a path that is outside by its text is asked for by its text, once") {
  Links bench;
  bench.link("workspace/inner", "../back");
  CHECK_FALSE(bench.call("read", object({{"filePath", bench.workspace.top + "/back/file.txt"}})).failed);
  CHECK(bench.places() == std::vector<std::string>{bench.workspace.top + "/back/*"});
}

TEST_CASE("a place whose name is not text is asked for as text") {
  Links bench;
  bench.workspace.put(bench.outside + "/\xff/a.txt", "a\n");
  bench.link(bench.outside + "/\xff", "strange");
  CHECK_FALSE(bench.call("read", object({{"filePath", "strange/a.txt"}})).failed);
  CHECK(bench.places() == std::vector<std::string>{bench.outside + "/\xef\xbf\xbd/*"});
}

TEST_CASE("a place is told by any shell, and a workspace that is a link is where it says it is") {
  Links bench;
  fs::create_directory_symlink(bench.workspace.rootPath, bench.workspace.top + "/linked");
  fs::create_directory_symlink("/", bench.workspace.resolve("everything"));
  auto script = kj::str(PLACE_FUNCTION, "root=$1; shift; for p do place \"$p\"; printf '%s\\n' \"$place\"; done");
  auto& root = bench.workspace.rootPath;
  auto linked = bench.workspace.top + "/linked";
  kj::Vector<kj::String> args;
  for (auto& arg : {linked, linked, linked + "/inner/file.txt", linked + "/in/file.txt", linked + "/in.txt",
                    linked + "/no/such/file", root + "/inner", linked + "/out", linked + "/out/a/b", linked + "/everything",
                    linked + "/loop", std::string("/"), std::string("/no-such-thing")}) {
    args.add(toKj(arg));
  }
  std::string expected = linked + "\n" + linked + "/inner/file.txt\n" + linked + "/inner/file.txt\n" + linked + "/inner/file.txt\n" +
                         linked + "/no/such/file\n" + linked + "/inner\n" + bench.outside + "\n" + bench.outside + "/a/b\n/\n\n/\n" +
                         "/no-such-thing\n";
  auto told = [&](std::initializer_list<const char*> shell) {
    WorkspaceCommand command;
    kj::Vector<kj::String> argv;
    argv.add(kj::str("/usr/bin/env"));
    for (auto word : shell) argv.add(kj::str(word));
    argv.add(kj::str("-c"));
    argv.add(kj::str(script));
    argv.add(kj::str("sh"));
    for (auto& arg : args) argv.add(kj::str(arg));
    command.argv = argv.releaseAsArray();
    struct Collect final : OutputReceiver {
      std::string text;
      kj::Promise<void> stdoutChunk(kj::ArrayPtr<const kj::byte> bytes) override {
        text.append(bytes.asChars().begin(), bytes.size());
        return kj::READY_NOW;
      }
      kj::Promise<void> stderrChunk(kj::ArrayPtr<const kj::byte> bytes) override { return stdoutChunk(bytes); }
    } collect;
    auto& scope = bench.loop.io.waitScope;
    auto process = bench.workspace.start(kj::mv(command), collect).wait(scope);
    CHECK(process->wait().wait(scope).success());
    return collect.text;
  };
  CHECK(told({"dash"}) == expected);
  CHECK(told({"bash"}) == expected);
  CHECK(told({"busybox", "sh"}) == expected);
}

}  // namespace sandbridge::test
