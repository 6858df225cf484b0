#include "tools/text.h"

#include "tools/collate.h"
#include "tools/diff.h"
#include "tools/output-tail.h"
#include "tools/pager.h"
#include "tools/paths.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

namespace sandbridge {
namespace {

using namespace std::string_view_literals;

Bytes bytesOf(std::string_view s) {
  return kj::arrayPtr(s.data(), s.size()).asBytes();
}

std::string utf8(TextView text) {
  std::string out;
  appendUtf8(out, text);
  return out;
}

TEST_CASE("each maximal invalid prefix of UTF-8 becomes one replacement character") {
  CHECK(decodeUtf8(bytesOf("a\xff\xfe z"sv)) == u"a\xfffd\xfffd z");
  CHECK(decodeUtf8(bytesOf("\xe2\x82"sv)) == u"\xfffd");
  CHECK(decodeUtf8(bytesOf("\xe2\x82"
                           "a"sv)) ==
        u"\xfffd"
        u"a");
  CHECK(decodeUtf8(bytesOf("\xed\xa0\x80"sv)) == u"\xfffd\xfffd\xfffd");  // a surrogate
  CHECK(decodeUtf8(bytesOf("\xf0\x9f\x98\x80"sv)) == u"\U0001F600");
  CHECK(decodeUtf8(bytesOf("\xf4\x90\x80\x80"sv)) == u"\xfffd\xfffd\xfffd\xfffd");
  CHECK(decodeUtf8(bytesOf("\xc0\xaf"sv)) == u"\xfffd\xfffd");
}

TEST_CASE("half of a surrogate pair leaves as a replacement character") {
  CHECK(utf8(Text{u'a', 0xd83d}) == "a\xef\xbf\xbd");
  CHECK(utf8(Text{0xde00, u'a'}) ==
        "\xef\xbf\xbd"
        "a");
  CHECK(utf8Size(Text{0xd83d}) == 3);
  CHECK(utf8Size(u"\U0001F600") == 4);
}

TEST_CASE("a file's bytes outside of a change are kept, valid or not") {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string content;
    size_t size = random() % 30;
    for (size_t i = 0; i < size; ++i) {
      constexpr std::string_view PIECES[] = {
          "a", "\n", "\xff", "\xe2\x82", "\xc3\xa4", "\xf0\x9f\x98\x80", "\xef\xbb\xbf"};
      content += PIECES[random() % std::size(PIECES)];
    }
    auto file = decodeFile(bytesOf(content));
    auto same = encodeFile(file, bytesOf(content), {}, file.bom);
    REQUIRE(std::string(same.asChars().begin(), same.size()) == content);

    // One change, not inside of a surrogate pair.
    size_t start = file.text.empty() ? 0 : random() % file.text.size(),
           length = std::min<size_t>(random() % 3, file.text.size() - start);
    auto inPair = [&](size_t at) {
      return at > 0 && at < file.text.size() && (file.text[at] & 0xfc00) == 0xdc00;
    };
    if (inPair(start) || inPair(start + length)) continue;
    auto changed = encodeFile(file, bytesOf(content), {{start, length, u"NEW"}}, false);
    std::string text(changed.asChars().begin(), changed.size());
    size_t at = text.find("NEW");
    REQUIRE(at != std::string::npos);
    auto body = std::string_view(content).substr(file.bom ? 3 : 0);
    CHECK(body.starts_with(text.substr(0, at)));
    CHECK(body.ends_with(text.substr(at + 3)));
  }
}

TEST_CASE("directories are listed in the order that JavaScript's localeCompare gives ASCII") {
  std::vector<Text> names = {u"_x", u"-x",   u".x",   u"(x", u"@x", u"#x",   u"~x", u"$x", u"0",
                             u"10", u"9",    u"a",    u"ab", u"aB", u"Ab",   u"AB", u"b",  u"e",
                             u"E",  u"\xe9", u"\xc9", u"f",  u"ss", u"\xdf", u"Z"};
  auto shuffled = names;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(3));
  std::sort(shuffled.begin(), shuffled.end(),
            [](auto& a, auto& b) { return collatesBefore(a, b); });
  CHECK(shuffled == names);
}

// Applies a patch text to the old lines, as patch(1) would.
std::string applyPatch(const std::string& old, std::string_view patch) {
  auto lines = splitLines(std::string_view(old));
  std::string out;
  size_t at = 0;
  auto keepTo = [&](size_t to) {
    for (; at < to; ++at) out.append(lines[at]).append("\n");
  };
  bool finalNewline = true;
  auto parts = splitLines(patch);
  for (size_t i = 4; i + 1 < parts.size(); ++i) {
    auto line = parts[i];
    if (line.starts_with("@@ -")) {
      size_t start = 0, count = 0;
      REQUIRE(sscanf(std::string(line).c_str(), "@@ -%zu,%zu", &start, &count) == 2);
      keepTo(count == 0 ? start : start - 1);
    } else if (line.starts_with(' ') || line.starts_with('-')) {
      REQUIRE(lines[at] == line.substr(1));
      if (line[0] == ' ') out.append(lines[at]).append("\n");
      ++at;
    } else if (line.starts_with('+')) {
      out.append(line.substr(1)).append("\n");
    } else {
      REQUIRE(line == "\\ No newline at end of file");
      if (parts[i - 1][0] != '-') finalNewline = false;
    }
  }
  if (!finalNewline) {
    out.pop_back();
  } else {
    // The rest; the last element is what stands behind the last newline.
    while (at + 1 < lines.size()) out.append(lines[at++]).append("\n");
    if (at < lines.size()) out.append(lines[at]);
  }
  return out;
}

TEST_CASE("a patch made of any two texts turns the one into the other, and counts its lines") {
  std::mt19937 random(7);
  auto make = [&]() {
    std::string text;
    size_t lines = random() % 40;
    for (size_t i = 0; i < lines; ++i) text += std::string(1, "abc"[random() % 3]) + "\n";
    if (random() % 2) text += "x";
    return text;
  };
  for (int round = 0; round < 1000; ++round) {
    auto a = make(), b = make();
    if (random() % 2) b = a.substr(0, a.size() / 2) + b;
    auto ta = decodeUtf8(bytesOf(a)), tb = decodeUtf8(bytesOf(b));
    auto patch = utf8(createPatch(u"/f", ta, tb));
    INFO(a << "----\n" << b << "----\n" << patch);
    CHECK(applyPatch(a, patch) == b);
    auto counts = countChanges(ta, tb);
    size_t plus = 0, minus = 0;
    auto lines = splitLines(std::string_view(patch));
    for (size_t i = 4; i < lines.size(); ++i) {
      plus += lines[i].starts_with('+');
      minus += lines[i].starts_with('-');
    }
    CHECK(counts.additions == plus);
    CHECK(counts.deletions == minus);
  }
}

TEST_CASE("two large texts without a common line are compared in bounded time") {
  std::string a = "first\n", b = "first\n";
  for (int i = 0; i < 20000; ++i) {
    a += "old " + std::to_string(i) + "\n";
    b += "new " + std::to_string(i * 7) + "\n";
  }
  auto counts = countChanges(decodeUtf8(bytesOf(a)), decodeUtf8(bytesOf(b)));
  CHECK(counts.additions == 20000);
  CHECK(counts.deletions == 20000);
}

TEST_CASE("a page is the same however its bytes arrive") {
  std::string text = "\xef\xbb\xbfone\r\ntwo\rthree\n\n\xc3\xa4 five\r\r\nseven";
  for (size_t chunk = 1; chunk < 9; ++chunk) {
    Pager pager(2, 4, 10000);
    for (size_t at = 0; at < text.size(); at += chunk)
      pager.feed(bytesOf(std::string_view(text).substr(at, chunk)));
    auto page = pager.finish();
    CHECK(page.lines == std::vector<Text>{u"two", u"three", u"", u"\xe4 five"});
    CHECK(page.total == 7);
    CHECK(page.more);
    CHECK_FALSE(page.capped);
  }
}

TEST_CASE("a page keeps no more of a line without end than it shows") {
  Pager pager(1, 10, 10000);
  std::string part(100000, 'x');
  for (int i = 0; i < 100; ++i) pager.feed(bytesOf(part));
  auto page = pager.finish();
  REQUIRE(page.lines.size() == 1);
  CHECK(page.lines[0] == Text(2000, u'x') + u"... (line truncated to 2000 chars)");
}

TEST_CASE("paths are computed as Node computes them") {
  CHECK(resolvePath("/w", "") == "/w");
  CHECK(resolvePath("/w", "a/../b/./c/") == "/w/b/c");
  CHECK(resolvePath("/w", "/x//y/..") == "/x");
  CHECK(resolvePath("/w", "../../..") == "/");
  CHECK(joinToRoot("/w", "a/") == "/w/a/");
  CHECK(joinToRoot("/w", "/x/../y") == "/x/../y");
  CHECK(relativePath("/w", "/w") == "");
  CHECK(relativePath("/w", "/w/a/b") == "a/b");
  CHECK(relativePath("/w", "/workspace") == "../workspace");
  CHECK(isInside("/w", "/w/..x"));
  CHECK_FALSE(isInside("/w", "/w/../x"));
  CHECK_FALSE(isInside("/w", "/wx"));
  CHECK(dirName("/a") == "/");
  CHECK(dirName("/a/b/") == "/a");
  CHECK(extensionOf("/x/.bashrc") == "");
  CHECK(extensionOf("/x/A.PNG") == ".png");
}

TEST_CASE("the end of an output begins at a character and a line") {
  CHECK(tailWithin(u"a\nb\nc\n", 2, 100) == u"c\n");
  CHECK(tailWithin(u"aaaa\nbb\ncc", 10, 5) == u"bb\ncc");
  CHECK(tailWithin(u"\U0001F600\U0001F600\U0001F600", 10, 9) == u"\U0001F600\U0001F600");
  OutputTail tail;
  for (int i = 0; i < 100000; ++i) tail.append(bytesOf("\xf0\x9f\x98\x80"));
  CHECK(tail.total() == 400000);
  CHECK_FALSE(tail.isWhole());
  CHECK(tail.text().find(u'\xfffd') == Text::npos);
}

TEST_CASE("a byte order mark at the start of an output is none of its text") {
  OutputTail tail;
  tail.append(bytesOf("\xef\xbb"));
  tail.append(bytesOf("\xbf" "a\n\xef\xbb\xbf" "b"));
  CHECK(tail.text() == u"a\n\ufeffb");
}

}  // namespace
}  // namespace sandbridge
