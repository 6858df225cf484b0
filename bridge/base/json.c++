#include "base/json.h"

#include "base/error.h"

#include <ctype.h>
#include <math.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <stdlib.h>
#include <string.h>

#include <charconv>

#include <kj/debug.h>
#include <kj/vector.h>

namespace sandbridge {
namespace {

// Where `text` first nests deeper than `maxDepth`. Brackets in strings do not count.
kj::Maybe<size_t> tooDeepAt(kj::ArrayPtr<const char> text, unsigned maxDepth) {
  unsigned depth = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); i++) {
    switch (text[i]) {
      case '"':
        inString = !inString;
        break;
      case '\\':
        if (inString) ++i;
        break;
      case '[':
      case '{':
        if (!inString && ++depth > maxDepth) return i;
        break;
      case ']':
      case '}':
        if (!inString && depth > 0) --depth;
        break;
    }
  }
  return nullptr;
}

// The code unit of an escape `\uXXXX` at `at`, where there is one.
kj::Maybe<unsigned> escapedUnit(kj::ArrayPtr<const char> text, size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return nullptr;
  unsigned unit = 0;
  for (char c : text.slice(at + 2, at + 6)) {
    if (!isxdigit(static_cast<unsigned char>(c))) return nullptr;
    unit = unit << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return unit;
}

bool isDigit(kj::ArrayPtr<const char> text, size_t at) {
  return at < text.size() && text[at] >= '0' && text[at] <= '9';
}

// The end of the number at `at` if it is a zero with an exponent, else `at`.
size_t endOfZeroWithExponent(kj::ArrayPtr<const char> text, size_t at) {
  size_t end = at + 1;
  if (text[at] != '0' || isDigit(text, end)) return at;
  if (end < text.size() && text[end] == '.') {
    size_t begin = ++end;
    while (end < text.size() && text[end] == '0') ++end;
    if (end == begin) return at;
  }
  if (end >= text.size() || (text[end] | 0x20) != 'e') return at;
  ++end;
  if (end < text.size() && (text[end] == '+' || text[end] == '-')) ++end;
  if (!isDigit(text, end)) return at;
  while (isDigit(text, end)) ++end;
  return end;
}

// The same JSON, byte for byte as long, without what RapidJSON 1.1 stumbles over; none where there is nothing of the kind.
// - Half a surrogate pair, which JavaScript writes for a string that holds one, becomes U+FFFD: RapidJSON refuses one half
//   and makes invalid UTF-8 of the other.
// - A zero with an exponent becomes a plain one: RapidJSON goes by the exponent alone to say that a number is too big.
kj::Maybe<kj::Array<char>> withoutTraps(kj::ArrayPtr<const char> text) {
  kj::Maybe<kj::Array<char>> mended;
  auto copy = [&]() -> kj::Array<char>& {
    if (mended == nullptr) mended = kj::heapArray<char>(text);
    return KJ_ASSERT_NONNULL(mended);
  };
  bool inString = false;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '"') {
      inString = !inString;
    } else if (inString && text[i] == '\\') {
      KJ_IF_MAYBE (unit, escapedUnit(text, i)) {
        bool high = *unit >= 0xd800 && *unit < 0xdc00, low = *unit >= 0xdc00 && *unit < 0xe000;
        unsigned next = high ? escapedUnit(text, i + 6).orDefault(0) : 0;
        if (next >= 0xdc00 && next < 0xe000) {
          i += 11;
          continue;
        }
        if (high || low) memcpy(copy().begin() + i + 2, "fffd", 4);
        i += 5;
      } else {
        ++i;
      }
    } else if (!inString && text[i] >= '0' && text[i] <= '9') {
      size_t end = endOfZeroWithExponent(text, i);
      if (end > i) memset(copy().begin() + i + 1, ' ', end - i - 1);
      while (i + 1 < text.size() && (isDigit(text, i + 1) || strchr(".eE+-", text[i + 1]) != nullptr)) ++i;
    }
  }
  return kj::mv(mended);
}

// Fills a document from a reader that leaves numbers as text: what RapidJSON 1.1 makes of 18446744073709551615.9 and its
// like is undefined.
struct DocumentBuilder: public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, DocumentBuilder> {
  explicit DocumentBuilder(JsonDocument& document): document(document) {}

  bool Null() { return document.Null(); }
  bool Bool(bool value) { return document.Bool(value); }
  bool String(const char* text, unsigned size, bool copy) { return document.String(text, size, copy); }
  bool Key(const char* text, unsigned size, bool copy) { return document.Key(text, size, copy); }
  bool StartObject() { return document.StartObject(); }
  bool EndObject(unsigned members) { return document.EndObject(members); }
  bool StartArray() { return document.StartArray(); }
  bool EndArray(unsigned elements) { return document.EndArray(elements); }

  bool RawNumber(const char* text, unsigned size, bool) {
    auto end = text + size;
    int64_t whole;
    if (auto read = std::from_chars(text, end, whole); read.ec == std::errc() && read.ptr == end) {
      return document.Int64(whole);
    }
    uint64_t large;
    if (auto read = std::from_chars(text, end, large); read.ec == std::errc() && read.ptr == end) {
      return document.Uint64(large);
    }
    double real = strtod(text, nullptr);  // the reader ends it with a NUL
    return isfinite(real) && document.Double(real);
  }

  JsonDocument& document;
};

constexpr unsigned PARSE_FLAGS = rapidjson::kParseIterativeFlag |
                                 rapidjson::kParseValidateEncodingFlag |
                                 rapidjson::kParseNumbersAsStringsFlag;

// Empty on success, else what is wrong.
kj::String parseInto(JsonDocument& document, kj::ArrayPtr<const char> text, unsigned maxDepth) {
  KJ_IF_MAYBE (at, tooDeepAt(text, maxDepth)) {
    return kj::str("nested more than ", maxDepth, " deep at byte ", *at);
  }
  // A NUL would read as the end to RapidJSON.
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '\0') return kj::str("a NUL character at byte ", i);
  }
  // RapidJSON passes over a byte order mark, and over any part of one or another one behind it; all JSON begins with ASCII.
  size_t start = text.size() >= 3 && memcmp(text.begin(), "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  if (text.size() > start && (text[start] & 0x80)) return kj::str("Invalid value. (at byte ", start, ")");
  auto mended = withoutTraps(text);
  KJ_IF_MAYBE (m, mended) text = *m;
  rapidjson::ParseResult result;
  auto parse = [&](JsonDocument& into) {
    rapidjson::MemoryStream bytes(text.begin(), text.size());
    rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
    DocumentBuilder builder(into);
    result = rapidjson::Reader().Parse<PARSE_FLAGS>(stream, builder);
    return !result.IsError();
  };
  document.Populate(parse);
  if (result.IsError()) {
    // What the builder refuses is a number, as the reader refuses most that are too big.
    auto code = result.Code() == rapidjson::kParseErrorTermination ? rapidjson::kParseErrorNumberTooBig : result.Code();
    return kj::str(rapidjson::GetParseError_En(code), " (at byte ", result.Offset(), ")");
  }
  return nullptr;
}

// How many bytes of well-formed UTF-8 `text` begins with: the length of one character, or 0; `bad` is then the length
// of the ill-formed part to replace.
size_t utf8Character(kj::ArrayPtr<const char> text, size_t& bad) {
  auto at = [&](size_t i) { return static_cast<kj::byte>(text[i]); };
  auto lead = at(0);
  if (lead < 0x80) return 1;
  size_t length;
  kj::byte low = 0x80, high = 0xbf;  // of the second byte
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    bad = 1;
    return 0;
  }
  for (size_t i = 1; i < length; i++) {
    if (i >= text.size() || at(i) < low || at(i) > high) {
      bad = i;
      return 0;
    }
    low = 0x80;
    high = 0xbf;
  }
  return length;
}

}  // namespace

JsonDocument parseJson(kj::ArrayPtr<const char> text, unsigned maxDepth) {
  JsonDocument document;
  auto problem = parseInto(document, text, maxDepth);
  if (problem.size() > 0) {
    throwError(ErrorKind::INVALID_ARGUMENT, kj::str("this is not valid JSON: ", problem));
  }
  return document;
}

kj::Maybe<JsonDocument> tryParseJson(kj::ArrayPtr<const char> text, unsigned maxDepth) {
  JsonDocument document;
  if (parseInto(document, text, maxDepth).size() > 0) return nullptr;
  return kj::mv(document);
}

kj::StringPtr stringOf(const JsonValue& value) {
  return kj::StringPtr(value.GetString(), value.GetStringLength());
}

kj::Maybe<const JsonValue&> getMember(const JsonValue& object, kj::StringPtr name) {
  if (!object.IsObject()) return nullptr;
  auto found = object.FindMember(JsonValue(rapidjson::StringRef(name.begin(), name.size())));
  if (found == object.MemberEnd() || found->value.IsNull()) return nullptr;
  return found->value;
}

kj::Maybe<kj::StringPtr> getString(const JsonValue& object, kj::StringPtr name) {
  KJ_IF_MAYBE (v, getMember(object, name)) {
    if (v->IsString()) return stringOf(*v);
  }
  return nullptr;
}

kj::Maybe<bool> getBool(const JsonValue& object, kj::StringPtr name) {
  KJ_IF_MAYBE (v, getMember(object, name)) {
    if (v->IsBool()) return v->GetBool();
  }
  return nullptr;
}

kj::Maybe<int64_t> getInt(const JsonValue& object, kj::StringPtr name) {
  KJ_IF_MAYBE (v, getMember(object, name)) {
    if (v->IsInt64()) return v->GetInt64();
    if (v->IsDouble()) {
      auto d = v->GetDouble();
      if (d == floor(d) && d >= -9007199254740992.0 && d <= 9007199254740992.0) {
        return static_cast<int64_t>(d);
      }
    }
  }
  return nullptr;
}

kj::Maybe<double> getNumber(const JsonValue& object, kj::StringPtr name) {
  KJ_IF_MAYBE (v, getMember(object, name)) {
    if (v->IsNumber()) return v->GetDouble();
  }
  return nullptr;
}

kj::Maybe<const JsonValue&> getObject(const JsonValue& object, kj::StringPtr name) {
  KJ_IF_MAYBE (v, getMember(object, name)) {
    if (v->IsObject()) return *v;
  }
  return nullptr;
}

kj::Maybe<const JsonValue&> getArray(const JsonValue& object, kj::StringPtr name) {
  KJ_IF_MAYBE (v, getMember(object, name)) {
    if (v->IsArray()) return *v;
  }
  return nullptr;
}

kj::String toJson(const JsonValue& value) {
  JsonWriter writer;
  writer.value(value);
  return writer.finish();
}

bool isValidUtf8(kj::ArrayPtr<const char> text) {
  size_t bad = 0;
  while (text.size() > 0) {
    auto n = utf8Character(text, bad);
    if (n == 0) return false;
    text = text.slice(n, text.size());
  }
  return true;
}

kj::String toValidUtf8(kj::ArrayPtr<const char> text) {
  if (isValidUtf8(text)) return kj::heapString(text);
  kj::Vector<char> out(text.size() + 16);
  while (text.size() > 0) {
    size_t bad = 0;
    auto n = utf8Character(text, bad);
    if (n > 0) {
      out.addAll(text.slice(0, n));
    } else {
      out.addAll("\xef\xbf\xbd"_kj);
      n = bad;
    }
    text = text.slice(n, text.size());
  }
  return kj::heapString(out.begin(), out.size());
}

JsonWriter& JsonWriter::beginObject() {
  writer.StartObject();
  return *this;
}
JsonWriter& JsonWriter::endObject() {
  writer.EndObject();
  return *this;
}
JsonWriter& JsonWriter::beginArray() {
  writer.StartArray();
  return *this;
}
JsonWriter& JsonWriter::endArray() {
  writer.EndArray();
  return *this;
}
JsonWriter& JsonWriter::key(kj::StringPtr name) {
  return value(name);  // the writer knows by itself that a key is due
}
JsonWriter& JsonWriter::value(decltype(nullptr)) {
  writer.Null();
  return *this;
}
JsonWriter& JsonWriter::value(bool value) {
  writer.Bool(value);
  return *this;
}
JsonWriter& JsonWriter::value(int64_t value) {
  writer.Int64(value);
  return *this;
}
JsonWriter& JsonWriter::value(uint64_t value) {
  writer.Uint64(value);
  return *this;
}
JsonWriter& JsonWriter::value(double value) {
  if (isfinite(value)) {
    writer.Double(value);
  } else {
    writer.Null();
  }
  return *this;
}
JsonWriter& JsonWriter::value(kj::ArrayPtr<const char> text) {
  if (isValidUtf8(text)) {
    // RapidJSON asserts that the pointer is not null, which that of an empty array may be.
    writer.String(text.size() == 0 ? "" : text.begin(), text.size());
  } else {
    auto valid = toValidUtf8(text);
    writer.String(valid.begin(), valid.size());
  }
  return *this;
}
JsonWriter& JsonWriter::value(const JsonValue& value) {
  value.Accept(writer);
  return *this;
}

kj::String JsonWriter::finish() {
  KJ_REQUIRE(writer.IsComplete(), "JSON text is not complete");
  return kj::heapString(buffer.GetString(), buffer.GetSize());
}

}  // namespace sandbridge
