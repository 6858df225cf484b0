// Replays what OpenCode 1.18.33 itself answered (recorded with a scripted model, see
// data/opencode-cases.jsonl) and compares everything: questions, title, output, metadata, files
// afterwards. Where we mean to differ, the case is listed with the reason, and must differ.

#include "directory-workspace.h"

#include "base/json.h"
#include "tools/text.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

namespace sandbridge::test {
namespace {

namespace fs = std::filesystem;

const std::string ANY_LINE = "grep prints any line";
const std::string SIGNAL =
    "a shell that dies by a signal has ended, and is not waited for until the timeout";

using Differences = std::map<std::string, std::string>;

const Differences DIFFERENT = {
    {"apply_patch/move-same", "a file moved onto itself stays"},
    {"apply_patch/same-file-twice", "the second update of a file sees the first"},
    {"bash/bytes-200k-lines-sleep", "OpenCode keeps less of long output than it could"},
    {"bash/bytes-200k-oneline-sleep", "OpenCode keeps less of a long line than it could"},
    {"bash/kill-self", SIGNAL},
    {"bash/kill-self-term", SIGNAL},
    {"bash/stderr", "what is written to both outputs keeps its order"},
    {"edit/dollar-replaceall", "new text is literal, also where JavaScript would read $& in it"},
    {"edit/invalid-utf8", "bytes outside of an edit stay as they are, valid or not"},
    {"glob/101", "the newest 100 are shown, not those that arrive first"},
};

const std::string ITS_OWN_WORDS = "grep says in its own words what is wrong with a pattern";

const Differences WITHOUT_RIPGREP = {
    {"glob/101", "the newest 100 are shown, not those that arrive first"},
    {"glob/invalid-glob", "an invalid pattern is an error"},
    {"grep/huge-line", ANY_LINE},
    {"grep/huge-line-plus-ok", ANY_LINE},
    {"grep/include-invalid", "an invalid pattern is an error"},
    {"grep/invalid-regex", ITS_OWN_WORDS},
    {"grep/invalid-regex2", ITS_OWN_WORDS},
    {"grep/invalid-utf8-line", ANY_LINE},
    {"grep/multiline-pattern", ITS_OWN_WORDS},
    {"grep/utf8-bom", "grep takes a byte order mark for a part of the line"},
};

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
  return text;
}

// The recordings' absolute paths become this workspace's; "../outside" and names of cases stay.
std::string withPaths(const std::string& line, const DirectoryWorkspace& workspace) {
  auto out = replaced(line, "/workspace", workspace.rootPath);
  std::string result;
  constexpr std::string_view OUTSIDE = "/outside";
  size_t at = 0;
  for (size_t hit; (hit = out.find(OUTSIDE, at)) != std::string::npos; at = hit + OUTSIDE.size()) {
    result += out.substr(at, hit - at);
    char before = hit == 0 ? ' ' : out[hit - 1];
    if (before == 'n' && hit > 1 && out[hit - 2] == '\\') before = '\n';
    if (before != '.' && !isalnum(before)) result += workspace.top;
    result += OUTSIDE;
  }
  return result + out.substr(at);
}

std::string str(const JsonValue& value) {
  return {value.GetString(), value.GetStringLength()};
}

std::string decodeBase64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    constexpr std::string_view ALPHABET =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t value = ALPHABET.find(c);
    if (value == std::string_view::npos) break;
    bits = bits << 6 | value;
    if ((count += 6) >= 8) out.push_back(char(bits >> (count -= 8)));
  }
  return out;
}

std::string encodeBase64(kj::ArrayPtr<const kj::byte> bytes) {
  constexpr std::string_view ALPHABET =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = bytes[i] << 16 | (i + 1 < bytes.size() ? bytes[i + 1] << 8 : 0) |
                    (i + 2 < bytes.size() ? bytes[i + 2] : 0);
    for (int k = 0; k < 4; ++k) {
      out += i + k > bytes.size() ? '=' : ALPHABET[bits >> (18 - 6 * k) & 63];
    }
  }
  return out;
}

// A directory with links to every program but one.
struct PathWithout {
  fs::path path;

  explicit PathWithout(std::string_view missing) {
    char name[] = "/tmp/sandbridge-path-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
    for (auto dir : {"/usr/bin", "/bin", "/usr/local/bin"}) {
      if (!fs::is_directory(dir)) continue;
      for (auto& entry : fs::directory_iterator(dir)) {
        auto program = entry.path().filename();
        auto link = path / program;
        if (program != missing && !fs::exists(fs::symlink_status(link)))
          fs::create_symlink(entry.path(), link);
      }
    }
  }
  ~PathWithout() { fs::remove_all(path); }
};

void setUp(DirectoryWorkspace& workspace, const JsonValue& setup) {
  for (auto& member : setup.GetObject()) {
    auto path = workspace.resolve(str(member.name));
    auto& value = member.value;
    if (value.IsString()) {
      workspace.put(path, str(value));
    } else if (value.HasMember("text")) {
      workspace.put(path, str(value["text"]));
    } else if (value.HasMember("b64")) {
      workspace.put(path, decodeBase64(str(value["b64"])));
    } else if (value.HasMember("repeat")) {
      std::string content;
      for (int i = 0; i < value["repeat"][1].GetInt(); ++i) content += str(value["repeat"][0]);
      workspace.put(path, content);
    } else if (value.HasMember("seq")) {
      std::string content;
      for (int i = 1; i <= value["seq"][1].GetInt(); ++i) {
        content += replaced(str(value["seq"][0]), "{}", std::to_string(i));
      }
      workspace.put(path, content);
    } else if (value.HasMember("link")) {
      fs::create_directories(fs::path(path).parent_path());
      fs::create_symlink(str(value["link"]), path);
    } else {
      REQUIRE(value.HasMember("dir"));
      fs::create_directories(path);
    }
  }
}

// Each difference as one line of text.
class Comparison {
 public:
  std::vector<std::string> differences;

  void equal(std::string_view what, std::string expected, std::string got) {
    if (expected == got) return;
    size_t at = 0;
    while (at < expected.size() && at < got.size() && expected[at] == got[at]) ++at;
    size_t from = at > 60 ? at - 60 : 0;
    differences.push_back(std::string(what) + " from " + std::to_string(at) + ": expected <" +
                          expected.substr(from, 200) + "> got <" + got.substr(from, 200) + ">");
  }
};

// As compact JSON with sorted members, for comparing.
std::string canonical(const JsonValue& value) {
  std::string out;
  if (value.IsObject()) {
    std::map<std::string, std::string> members;
    for (auto& m : value.GetObject()) members[str(m.name)] = canonical(m.value);
    for (auto& [k, v] : members) out += (out.empty() ? "{" : ", ") + k + ": " + v;
    return out.empty() ? "{}" : out + "}";
  }
  if (value.IsArray()) {
    for (auto& v : value.GetArray()) out += (out.empty() ? "[" : ", ") + canonical(v);
    return out.empty() ? "[]" : out + "]";
  }
  return std::string(view(toJson(value)));
}

std::string canonicalText(std::string_view json) {
  auto document = parseJson(kj::arrayPtr(json.data(), json.size()));
  return canonical(document);
}

// Lines, or for grep the blocks of one file each, in any order: ripgrep's own comes from its
// threads.
std::string unordered(std::string_view tool, std::string text) {
  if (tool != "glob" && tool != "grep") return text;
  if (tool == "grep" && text.starts_with("Found ")) {
    // A block ends where a line that is a path begins.
    text = replaced(text, "\n\n\n/", "\n\n/");
  }
  std::vector<std::string> parts;
  std::string_view separator = tool == "grep" ? "\n/" : "\n";
  size_t at = 0;
  for (;;) {
    size_t end = text.find(separator, at);
    parts.push_back(text.substr(at, end == std::string::npos ? end : end - at));
    while (!parts.back().empty() && parts.back().back() == '\n') parts.back().pop_back();
    if (end == std::string::npos) break;
    at = end + separator.size();
  }
  std::sort(parts.begin(), parts.end());
  std::string out;
  for (auto& part : parts) out += part + "\n";
  return out;
}

// Names of saved output differ from run to run.
std::string withoutOutputName(std::string text, std::string_view folder) {
  size_t at = text.find(std::string(folder) + "/tool_");
  if (at == std::string::npos) return text;
  size_t end = at + folder.size() + 6;
  while (end < text.size() && isalnum(text[end])) ++end;
  return text.replace(at, end - at, "OUTPUT");
}

std::string canonicalAttachments(const ToolResult& result) {
  std::string out;
  for (auto& a : result.attachments) {
    out += std::string(view(a.mime)) + " data:" + std::string(view(a.mime)) + ";base64," +
           encodeBase64(a.data) + "\n";
  }
  return out;
}

std::vector<std::string> replayOne(Bench& bench, const JsonDocument& record) {
  auto& workspace = bench.workspace;
  workspace.clear();
  setUp(workspace, record["setup"]);
  bench.ui = RecordingUi();
  bench.toolbox = newToolbox(workspace, bench.loop.io.provider->getTimer(), bench.memory);
  auto tool = str(record["tool"]);
  auto& expected = record["result"];
  if (record.HasMember("permission_reply")) bench.ui.refusal = str(expected["error"]);

  auto result = bench.call(toKj(tool), toJson(record["args"]));

  Comparison c;
  bool failed = str(expected["status"]) == "error";
  c.equal("status", failed ? "error" : "completed", result.failed ? "error" : "completed");
  auto output = str(failed ? expected["error"] : expected["output"]);
  auto got = std::string(view(result.output));
  if (tool == "bash") {
    output = withoutOutputName(output, "/data/tool-output");
    got = withoutOutputName(got, "/tmp/.sandbridge/output");
  }
  // OpenCode's own check of images comes after the tool.
  if (tool == "read") output = output.substr(0, output.find("\n\n[1 image omitted"));
  c.equal("output", unordered(tool, output), unordered(tool, got));
  if (!failed && !result.failed) {
    c.equal("title", str(expected["title"]), std::string(view(result.title)));
    auto metadata = canonical(expected["metadata"]),
         gotMetadata = canonicalText(view(result.metadata));
    if (tool == "bash") {
      metadata = withoutOutputName(metadata, "/data/tool-output");
      gotMetadata = withoutOutputName(gotMetadata, "/tmp/.sandbridge/output");
    }
    c.equal("metadata", metadata, gotMetadata);
    std::string attachments;
    if (expected.HasMember("attachments")) {
      for (auto& a : expected["attachments"].GetArray())
        attachments += str(a["mime"]) + " " + str(a["url"]) + "\n";
      c.equal("attachments", attachments, canonicalAttachments(result));
    }
  }
  if (record.HasMember("asked")) {
    std::string asked, gotAsked;
    for (auto& q : record["asked"].GetArray()) {
      asked += str(q["permission"]) + " " + canonical(q["patterns"]) + " " +
               canonical(q["always"]) + " " + canonical(q["metadata"]) + "\n";
    }
    auto list = [](auto& strings) {
      JsonWriter json;
      json.beginArray();
      for (auto& s : strings) json.value(kj::arrayPtr(s.data(), s.size()));
      json.endArray();
      return canonicalText(view(json.finish()));
    };
    for (auto& q : bench.ui.asked) {
      gotAsked += q.permission + " " + list(q.patterns) + " " + list(q.always) + " " +
                  canonicalText(q.metadata) + "\n";
    }
    c.equal("questions", asked, gotAsked);
  }
  if (record.HasMember("after")) {
    for (auto& member : record["after"].GetObject()) {
      auto name = str(member.name), path = workspace.resolve(name);
      auto& value = member.value;
      auto state = fs::symlink_status(path);
      std::string content, want;
      KJ_IF_MAYBE (text, workspace.get(path)) {
        content = *text;
      }
      if (value.IsNull()) {
        c.equal("existence of " + name, "no", fs::exists(state) ? "yes" : "no");
      } else if (value.IsString()) {
        c.equal("content of " + name, str(value), content);
      } else if (value.HasMember("b64")) {
        c.equal("content of " + name, decodeBase64(str(value["b64"])), content);
      } else if (value.HasMember("bytes")) {
        c.equal("size of " + name, std::to_string(value["bytes"].GetInt()),
                std::to_string(content.size()));
      } else if (value.HasMember("link")) {
        c.equal("kind of " + name, "link", fs::is_symlink(state) ? "link" : "none");
      } else {
        c.equal("kind of " + name, "directory", fs::is_directory(state) ? "directory" : "none");
      }
    }
  }
  return c.differences;
}

void replay(std::string_view tool, const Differences& known = DIFFERENT, bool withRipgrep = true) {
  Bench bench;
  std::unique_ptr<PathWithout> path;
  if (!withRipgrep) {
    path = std::make_unique<PathWithout>("rg");
    bench.workspace.searchPath = path->path;
  }
  std::ifstream file(SANDBRIDGE_SOURCE_DIR "/test/tools/data/opencode-cases.jsonl");
  REQUIRE(file.good());
  size_t same = 0, different = 0;
  for (std::string line; std::getline(file, line);) {
    line = withPaths(line, bench.workspace);
    auto record = parseJson(kj::arrayPtr(line.data(), line.size()));
    if (str(record["tool"]) != tool) continue;
    auto id = str(record["id"]);
    auto differences = replayOne(bench, record);
    if (auto reason = known.find(id); reason != known.end()) {
      ++different;
      INFO(id << " is listed as different because " << reason->second);
      CHECK_FALSE(differences.empty());
    } else {
      ++same;
      for (auto& difference : differences) {
        UNSCOPED_INFO(id << ": " << difference);
      }
      CHECK(differences.empty());
    }
  }
  CHECK(same > 10);
  WARN(tool << ": " << same << " recorded calls answered as OpenCode did, " << different
            << " different on purpose");
}

}  // namespace

TEST_CASE("read answers as OpenCode's own") {
  replay("read");
}
TEST_CASE("write answers as OpenCode's own") {
  replay("write");
}
TEST_CASE("edit answers as OpenCode's own") {
  replay("edit");
}
TEST_CASE("apply_patch answers as OpenCode's own") {
  replay("apply_patch");
}
TEST_CASE("glob answers as OpenCode's own") {
  replay("glob");
}
TEST_CASE("grep answers as OpenCode's own") {
  replay("grep");
}
TEST_CASE("glob answers the same without ripgrep") {
  replay("glob", WITHOUT_RIPGREP, false);
}
TEST_CASE("grep answers the same without ripgrep") {
  replay("grep", WITHOUT_RIPGREP, false);
}
TEST_CASE("bash answers as OpenCode's own") {
  replay("bash");
}

}  // namespace sandbridge::test
