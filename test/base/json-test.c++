#include "base/json.h"

#include "base/error.h"

#include <catch2/catch.hpp>

#include <kj/debug.h>

namespace sandbridge {
namespace {

kj::String problem(kj::ArrayPtr<const char> text) {
  KJ_IF_MAYBE (e, kj::runCatchingExceptions([&]() { parseJson(text); })) {
    CHECK(kindOf(*e) == ErrorKind::INVALID_ARGUMENT);
    return textOf(*e);
  }
  FAIL("no error for " << std::string(text.begin(), text.size()));
  return nullptr;
}

TEST_CASE("fields are found by name and type") {
  auto doc = parseJson(R"({"s":"text","i":3,"w":3.0,"d":1.5,"b":true,"n":null,"o":{"x":1},"a":[1]})"_kj);
  CHECK(KJ_ASSERT_NONNULL(getString(doc, "s")) == "text");
  CHECK(KJ_ASSERT_NONNULL(getInt(doc, "i")) == 3);
  CHECK(KJ_ASSERT_NONNULL(getInt(doc, "w")) == 3);
  CHECK(KJ_ASSERT_NONNULL(getNumber(doc, "d")) == 1.5);
  CHECK(KJ_ASSERT_NONNULL(getNumber(doc, "i")) == 3.0);
  CHECK(KJ_ASSERT_NONNULL(getBool(doc, "b")));
  CHECK(KJ_ASSERT_NONNULL(getInt(KJ_ASSERT_NONNULL(getObject(doc, "o")), "x")) == 1);
  CHECK(KJ_ASSERT_NONNULL(getArray(doc, "a")).Size() == 1);
  CHECK(getString(doc, "i") == nullptr);
  CHECK(getInt(doc, "d") == nullptr);
  CHECK(getInt(doc, "s") == nullptr);
  CHECK(getMember(doc, "n") == nullptr);
  CHECK(getMember(doc, "missing") == nullptr);
  CHECK(getMember(parseJson("[1]"_kj), "s") == nullptr);
}

TEST_CASE("a string with a NUL inside keeps it") {
  auto doc = parseJson(R"({"s":"a\u0000b"})"_kj);
  CHECK(KJ_ASSERT_NONNULL(getString(doc, "s")).size() == 3);
}

TEST_CASE("what is not JSON is refused with the place") {
  CHECK(problem("{\"a\":}"_kj).startsWith("this is not valid JSON: "));
  CHECK(std::string(problem("[1,,2]"_kj).cStr()).find("at byte 3") != std::string::npos);
  problem(""_kj);
  problem("1 2"_kj);
  problem("{'a':1}"_kj);
  problem("NaN"_kj);
  problem(kj::arrayPtr("[1]\0", 4));
  problem("\"\xff\""_kj);
  problem("\"\xed\xa0\x80\""_kj);
  CHECK(tryParseJson("{"_kj) == nullptr);
  CHECK(tryParseJson("{}"_kj) != nullptr);
}

TEST_CASE("hostile nesting is refused however deep it is, and brackets in strings are not nesting") {
  auto deep = kj::heapArray<char>(2000000);
  memset(deep.begin(), '[', deep.size());
  CHECK(problem(deep) == "this is not valid JSON: nested more than 64 deep at byte 64");
  auto closed = kj::heapString(128);
  memset(closed.begin(), '[', 64);
  memset(closed.begin() + 64, ']', 64);
  CHECK(tryParseJson(closed) != nullptr);
  CHECK(tryParseJson(kj::str("[", closed, "]")) == nullptr);
  auto quoted = kj::str("\"\\\"", deep, "\"");
  CHECK(tryParseJson(quoted) != nullptr);
}

TEST_CASE("the writer makes the JSON that the parser reads back") {
  JsonWriter json;
  auto inner = parseJson(R"({"k":[1,2]})"_kj);
  json.beginObject()
      .field("text", "a\"b\n\t\x01")
      .field("string", kj::str("s"))
      .field("empty", kj::ArrayPtr<const char>(nullptr))
      .field("int", -3)
      .field("big", uint64_t(1) << 63)
      .field("double", 0.25)
      .field("infinite", 1e308 * 10)
      .field("yes", true)
      .field("none", nullptr)
      .field("inner", static_cast<const JsonValue&>(inner))
      .key("list")
      .beginArray()
      .value("x")
      .value(1u)
      .endArray()
      .endObject();
  auto text = json.finish();
  CHECK(text ==
        R"({"text":"a\"b\n\t\u0001","string":"s","empty":"","int":-3,"big":9223372036854775808,)"
        R"("double":0.25,"infinite":null,"yes":true,"none":null,"inner":{"k":[1,2]},"list":["x",1]})"_kj);
  CHECK(toJson(parseJson(text)) == text);
}

TEST_CASE("bytes that are not UTF-8 are replaced, one mark for each ill-formed part") {
  CHECK(toValidUtf8("caf\xc3\xa9 \xf0\x9f\x98\x80"_kj) == "caf\xc3\xa9 \xf0\x9f\x98\x80");
  CHECK(toValidUtf8("a\xff" "b"_kj) == "a\xef\xbf\xbd" "b");
  CHECK(toValidUtf8("\xf0\x9f\x98"_kj) == "\xef\xbf\xbd");             // cut character: one
  CHECK(toValidUtf8("\xed\xa0\x80"_kj) == "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");  // surrogate
  CHECK(toValidUtf8("\xc0\xaf"_kj) == "\xef\xbf\xbd\xef\xbf\xbd");     // overlong
  CHECK_FALSE(isValidUtf8("\xf4\x90\x80\x80"_kj));                     // beyond U+10FFFF
  JsonWriter json;
  json.value("\xff"_kj);
  CHECK(json.finish() == "\"\xef\xbf\xbd\"");
}

}  // namespace
TEST_CASE("half a surrogate pair in an escape is a replacement character, a whole one a character") {
  auto text = [](kj::StringPtr json) {
    auto document = parseJson(json);
    return kj::heapString(stringOf(document));
  };
  CHECK(text(R"("\ud83d\ude00")") == "\xf0\x9f\x98\x80");
  CHECK(text(R"("\udF3d\ude00")") == "\xef\xbf\xbd\xef\xbf\xbd");
  CHECK(text(R"("a\ud800")") == "a\xef\xbf\xbd");
  CHECK(text(R"("\ud800\n")") == "\xef\xbf\xbd\n");
  CHECK(text(R"("\ud800\ud83d\ude00")") == "\xef\xbf\xbd\xf0\x9f\x98\x80");
  CHECK(text(R"("\\ud800")") == "\\ud800");
  CHECK(text(R"("\u00e9")") == "\xc3\xa9");
}

TEST_CASE("a byte order mark is passed over, a part of one or a second one is no JSON") {
  CHECK(parseJson("\xef\xbb\xbf[1]"_kj)[0].GetInt() == 1);
  CHECK(tryParseJson("\xef[1]"_kj) == nullptr);
  CHECK(tryParseJson("\xef\xbb[1]"_kj) == nullptr);
  for (auto text : {"\xbb{}"_kj, "\xbf{}"_kj, "\xbb\xbf{}"_kj, "\xef\xbf{}"_kj, "\xef\xbb\xbf\xbf{}"_kj, "\xef\xbb\xbf\xef\xbb\xbf{}"_kj}) {
    CHECK(tryParseJson(text) == nullptr);
  }
}

TEST_CASE("zeros of every spelling are zero, and what is no number is none") {
  for (auto json : {"0", "-0", "0.0", "0e99", "-0.000E-5", "0.0000000000000000000000000000000", "0e+99999999999"}) {
    INFO(json);
    auto document = parseJson(kj::StringPtr(json));
    CHECK(document.GetDouble() == 0);
  }
  for (auto json : {"0e", "00", "0.", "0.e5", "0e+", "01e5", "0.0e-"}) {
    INFO(json);
    CHECK(tryParseJson(kj::StringPtr(json)) == nullptr);
  }
  CHECK(toJson(parseJson("[-1.5e-36854]"_kj)) == toJson(parseJson("[-0.0]"_kj)));
  auto list = parseJson("[0.0,1e2,0.05,10,0e1,\"0e1\"]"_kj);
  CHECK(list[1].GetDouble() == 100);
  CHECK(list[2].GetDouble() == 0.05);
  CHECK(list[3].GetInt() == 10);
  CHECK(stringOf(list[5]) == "0e1");
}

TEST_CASE("numbers are what they say, however they are written") {
  auto list = parseJson("[-9223372036854775808,18446744073709551615,-1,4294967295,18446744073709551616]"_kj);
  CHECK(list[0].GetInt64() == INT64_MIN);
  CHECK(list[1].GetUint64() == UINT64_MAX);
  CHECK(list[2].GetInt() == -1);
  CHECK(list[3].GetUint() == UINT32_MAX);
  CHECK(list[4].GetDouble() == 18446744073709551616.0);

  // One digit more than 64 bits hold, and that one rounded up.
  auto number = [](const char* json) { return parseJson(kj::StringPtr(json)).GetDouble(); };
  CHECK(number("184467440737095516159") == 184467440737095516159.0);
  CHECK(number("-1.84467440737095516159") == -1.84467440737095516159);
  CHECK(number("18446744073709551615.9e-30") == 18446744073709551615.9e-30);

  CHECK(number("2.2250738585072011e-308") == 2.2250738585072011e-308);
  CHECK(number("5e-324") == 5e-324);
  CHECK(number("1e-400") == 0);
  CHECK(number("1.7976931348623157e308") == 1.7976931348623157e308);
  CHECK(tryParseJson("1e309"_kj) == nullptr);
  CHECK(tryParseJson("1.8e308"_kj) == nullptr);
}

}  // namespace sandbridge
