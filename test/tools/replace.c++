#include "tools/replace.h"

#include "tools/patch.h"

#include <catch2/catch.hpp>

#include <functional>
#include <random>

namespace sandbridge {
namespace {

Text edited(TextView content, TextView old, TextView now, bool all = false) {
  return applySplices(content, findReplacements(content, old, now, all));
}

std::string refusal(std::function<void()> action) {
  try {
    action();
  } catch (Refusal& r) {
    return r.text.cStr();
  }
  return "";
}

TEST_CASE("a text that occurs once is replaced there and nowhere else") {
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    Text content;
    size_t size = 1 + random() % 60;
    for (size_t i = 0; i < size; ++i) content += u"ab \n\t"[random() % 5];
    size_t start = random() % content.size(), length = 1 + random() % (content.size() - start);
    Text old = content.substr(start, length);
    if (content.find(old) != content.rfind(old)) continue;
    Text expected = content;
    expected.replace(start, length, u"$&NEW");
    CHECK(edited(content, old, u"$&NEW") == expected);
  }
}

TEST_CASE("whatever edit replaces, the splices are in order and inside of the file") {
  std::mt19937 random(6);
  size_t done = 0;
  for (int round = 0; round < 20000; ++round) {
    auto make = [&](size_t most) {
      Text text;
      size_t size = 1 + random() % most;
      for (size_t i = 0; i < size; ++i) text += u"ab \n\\n\t"[random() % 7];
      return text;
    };
    Text content = make(40), old = make(12);
    try {
      auto splices = findReplacements(content, old, u"X", random() % 2);
      size_t at = 0;
      REQUIRE_FALSE(splices.empty());
      for (auto& splice : splices) {
        REQUIRE(splice.start >= at);
        at = splice.start + splice.length;
      }
      REQUIRE(at <= content.size());
      ++done;
    } catch (Refusal&) {
    }
  }
  CHECK(done > 1000);
}

TEST_CASE("new text is literal, also when everything is replaced") {
  CHECK(edited(u"a-a", u"a", u"$& $1 \\1 $$", true) == u"$& $1 \\1 $$-$& $1 \\1 $$");
}

TEST_CASE("a blank oldString does not scatter the new text over the file") {
  CHECK(refusal([]() {
          findReplacements(u"abc\ndef\n", u"   ", u"X", true);
        }).starts_with("Found multiple matches"));
}

TEST_CASE("a huge repetitive file is refused in bounded time") {
  Text content, old;
  for (int i = 0; i < 60000; ++i) content += u"a\n";
  for (int i = 0; i < 30000; ++i) old += u" a\n";
  old += u"b\n";
  CHECK(refusal([&]() {
          findReplacements(content, old, u"X", false);
        }).starts_with("Could not find oldString"));
  Text line(200000, u'x');
  CHECK(refusal([&]() {
          findReplacements(u"begin\n" + line + u"y\nend\n", u"begin\nz" + line + u"\nend\n", u"X",
                           false);
        }).starts_with("Could not find oldString"));
}

TEST_CASE("a patch with the changed lines and their context gives the new file") {
  std::mt19937 random(8);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> lines;
    size_t count = 1 + random() % 20;
    for (size_t i = 0; i < count; ++i) lines.push_back("line " + std::to_string(i));
    std::string old, now, patch = "*** Begin Patch\n*** Update File: f\n";
    size_t from = random() % count, upTo = from + 1 + random() % (count - from);
    patch += "@@\n";
    for (size_t i = 0; i < count; ++i) {
      old += lines[i] + "\n";
      bool inside = i >= from && i < upTo;
      switch (inside ? random() % 3 : 3) {
        case 0:
          patch += "-" + lines[i] + "\n";
          break;
        case 1:
          patch += "-" + lines[i] + "\n+NEW\n";
          now += "NEW\n";
          break;
        default:
          if (inside) patch += " " + lines[i] + "\n";
          now += lines[i] + "\n";
      }
    }
    patch += "*** End Patch";
    auto sections = parsePatch(decodeUtf8(kj::heapString(patch.data(), patch.size())));
    REQUIRE(sections.size() == 1);
    auto text = decodeUtf8(kj::heapString(old.data(), old.size()));
    auto result = applySplices(text, applyChunks(text, sections[0].chunks, "f"));
    INFO(old << "---\n" << patch);
    CHECK(std::string(encodeUtf8(result).cStr()) == now);
  }
}

TEST_CASE("a context line of a patch keeps invalid bytes of the file") {
  std::string content = "a\xff\nb\nc\xfe\n";
  auto bytes = kj::arrayPtr(content.data(), content.size()).asBytes();
  auto file = decodeFile(bytes);
  auto sections =
      parsePatch(u"*** Begin Patch\n*** Update File: f\n@@\n a\xfffd\n-b\n+B\n*** End Patch");
  auto result = encodeFile(file, bytes, applyChunks(file.text, sections[0].chunks, "f"), file.bom);
  CHECK(std::string(result.asChars().begin(), result.size()) == "a\xff\nB\nc\xfe\n");
}

}  // namespace
}  // namespace sandbridge
