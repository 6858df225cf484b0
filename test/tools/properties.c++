// edit and apply_patch against simple models: after any number of random changes the files are what the model says.

#include "directory-workspace.h"

#include "base/json.h"
#include "tools/text.h"

#include <kj/debug.h>

#include <catch2/catch.hpp>

#include <map>
#include <random>

namespace sandbridge::test {
namespace {

using Random = std::mt19937;

kj::String editCall(std::string_view old, std::string_view now, bool all) {
  JsonWriter json;
  json.beginObject()
      .field("filePath", "f")
      .field("oldString", kj::arrayPtr(old.data(), old.size()))
      .field("newString", kj::arrayPtr(now.data(), now.size()))
      .field("replaceAll", all)
      .endObject();
  return json.finish();
}

std::string randomText(Random& random, size_t most) {
  static const std::string PIECES[] = {"a", "b", " ", "\n", "\t", "ab", "ä", "🌍", "$&", "\\n", "\"", "'"};
  std::string text;
  for (size_t i = random() % (most + 1); i > 0; --i) text += PIECES[random() % std::size(PIECES)];
  return text;
}

std::string replacedAll(std::string_view text, std::string_view what, std::string_view with) {
  std::string out;
  for (size_t at; (at = text.find(what)) != std::string_view::npos; text.remove_prefix(at + what.size())) {
    out.append(text.substr(0, at)).append(with);
  }
  return out.append(text);
}

// A piece of `text` that begins and ends at characters.
std::string randomPiece(Random& random, const std::string& text) {
  auto isStart = [&](size_t at) { return at == text.size() || (text[at] & 0xc0) != 0x80; };
  size_t from = random() % text.size(), upTo = from + 1 + random() % 8;
  while (!isStart(from)) --from;
  upTo = std::min(upTo, text.size());
  while (!isStart(upTo)) ++upTo;
  return text.substr(from, upTo - from);
}

TEST_CASE("after any edits a file holds what a plain replacement of text gives") {
  Random random(41);
  Bench bench;
  size_t done = 0;
  for (int file = 0; file < 120; ++file) {
    bool crlf = random() % 3 == 0, bom = random() % 4 == 0;
    // As the editor sees it: without mark, lines ended by \n.
    std::string model = "one\n" + randomText(random, 60);
    auto onDisk = [&]() {
      return (bom ? "\xef\xbb\xbf" : "") + (crlf ? replacedAll(model, "\n", "\r\n") : model);
    };
    bench.workspace.put("f", onDisk());
    for (int round = 0; round < 6 && model.find('\n') != std::string::npos; ++round) {
      auto old = randomPiece(random, model), now = randomText(random, 8);
      bool all = random() % 2, once = model.find(old) == model.rfind(old);
      // What occurs often is for the forgiving matchers, what is blank for nobody.
      if (now == old || (!once && !all) || old.find_first_not_of(" \t\n") == std::string::npos) continue;
      auto expected = replacedAll(model, old, now);
      if (expected.empty() || (crlf && expected.find('\n') == std::string::npos)) continue;
      auto result = bench.call("edit", editCall(old, now, all));
      INFO("<" << model << "> <" << old << "> <" << now << "> " << all);
      REQUIRE_FALSE(result.failed);
      model = expected;
      REQUIRE(KJ_ASSERT_NONNULL(bench.workspace.get("f")) == onDisk());
      ++done;
    }
  }
  CHECK(done > 200);
}

using Lines = std::vector<std::string>;
using Files = std::map<std::string, Lines>;

std::string textOf(const Lines& lines) {
  std::string text;
  for (auto& line : lines) text += line + "\n";
  return text;
}

// Lines that occur once, so that there is one place for each chunk.
std::string newLine(Random& random) {
  static size_t count = 0;
  return std::string(random() % 3, ' ') + "line " + std::to_string(++count);
}

// Changes `lines` here and there, and says so in chunks.
std::string randomChunks(Random& random, Lines& lines) {
  std::string chunks;
  Lines after;
  size_t at = 0;
  while (at < lines.size()) {
    size_t kept = random() % 6, size = 1 + random() % 4;
    bool hasContext = kept > 0 && random() % 3 == 0;  // not a line of the chunk before
    for (; kept > 0 && at < lines.size(); --kept) after.push_back(lines[at++]);
    if (at == lines.size()) break;
    std::string chunk = "@@";
    if (hasContext) chunk += " " + lines[at - 1];
    chunk += "\n";
    for (; size > 0 && at < lines.size(); --size) {
      auto& line = lines[at++];
      size_t change = random() % 3;
      chunk += (change == 0 ? " " : "-") + line + "\n";
      if (change == 0) after.push_back(line);
      if (change == 1 || (change == 0 && random() % 2)) {
        after.push_back(newLine(random));
        chunk += "+" + after.back() + "\n";
      }
    }
    chunks += chunk;
    if (random() % 3 == 0) break;
  }
  after.insert(after.end(), lines.begin() + at, lines.end());
  lines = after;
  return chunks;
}

TEST_CASE("a patch makes of the files what its sections say, or nothing") {
  Random random(42);
  Bench bench;
  Files model;
  size_t applied = 0, refused = 0;
  for (int round = 0; round < 150; ++round) {
    Files after = model;
    std::string patch = "*** Begin Patch\n";
    std::vector<std::string> names;
    for (auto& [name, lines] : model) names.push_back(name);
    std::shuffle(names.begin(), names.end(), random);
    if (names.size() > 3) names.resize(1 + random() % 3);
    for (auto& name : names) {
      switch (random() % 5) {
        case 0:
          patch += "*** Delete File: " + name + "\n";
          after.erase(name);
          break;
        case 1: {
          auto target = "moved/" + std::to_string(round) + name.substr(0, name.find('/'));
          patch += "*** Update File: " + name + "\n*** Move to: " + target + "\n";
          auto lines = after[name];
          patch += randomChunks(random, lines);
          after.erase(name);
          after[target] = lines;
          break;
        }
        default:
          patch += "*** Update File: " + name + "\n" + randomChunks(random, after[name]);
      }
    }
    if (names.empty() || random() % 2) {
      auto name = "new" + std::to_string(round);
      auto& lines = after[name];
      patch += "*** Add File: " + name + "\n";
      for (size_t i = 1 + random() % 12; i > 0; --i) {
        lines.push_back(newLine(random));
        patch += "+" + lines.back() + "\n";
      }
    }
    bool bad = random() % 4 == 0;
    if (bad) patch += "*** Delete File: nowhere\n";
    patch += "*** End Patch";

    JsonWriter json;
    json.beginObject().field("patchText", kj::arrayPtr(patch.data(), patch.size())).endObject();
    auto result = bench.call("apply_patch", json.finish());
    INFO(patch << "\n" << result.output.cStr());
    REQUIRE(result.failed == bad);
    for (auto& [name, lines] : bad ? after : model) {
      if (!(bad ? model : after).contains(name)) REQUIRE(bench.workspace.get(name) == nullptr);
    }
    if (!bad) model = after;
    for (auto& [name, lines] : model) {
      INFO(name);
      REQUIRE(KJ_ASSERT_NONNULL(bench.workspace.get(name)) == textOf(lines));
    }
    ++(bad ? refused : applied);
  }
  CHECK(applied > 80);
  CHECK(refused > 15);
}

}  // namespace
}  // namespace sandbridge::test
