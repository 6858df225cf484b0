#pragma once
// RapidJSON behind a few functions that fit KJ: bounded parsing of foreign text, fields that may be missing, and a writer.

// Include RapidJSON only from here: Debian's version adds to null pointers in its stack, which the sanitizer build would stop at.
// The standard headers that it needs come first, so that the attribute meets none of their templates half defined.
#include <istream>
#include <memory>

#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("pointer-overflow"))), apply_to = function)
#endif
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#ifdef __clang__
#pragma clang attribute pop
#endif

#include <kj/common.h>
#include <kj/string.h>

namespace sandbridge {

using JsonDocument = rapidjson::Document;
using JsonValue = rapidjson::Value;

// Parses one JSON value that fills `text`. Throws INVALID_ARGUMENT that says where it is wrong: bad syntax, bad UTF-8, or
// arrays and objects nested deeper than `maxDepth` (code that walks a document may recurse, so this bounds its stack).
JsonDocument parseJson(kj::ArrayPtr<const char> text, unsigned maxDepth = 64);

// The same, but null for whatever is not JSON.
kj::Maybe<JsonDocument> tryParseJson(kj::ArrayPtr<const char> text, unsigned maxDepth = 64);

// The member of that name, or null if `object` is none, has none, or has it as null. The get* functions also answer null for
// a member of another type. What they return points into the document: give it a name (KJ_ASSERT_NONNULL
// ends the life of temporaries).
kj::Maybe<const JsonValue&> getMember(const JsonValue& object, kj::StringPtr name);
kj::Maybe<kj::StringPtr> getString(const JsonValue& object, kj::StringPtr name);
kj::Maybe<bool> getBool(const JsonValue& object, kj::StringPtr name);
// Also for numbers written as 3.0, if they are whole and fit.
kj::Maybe<int64_t> getInt(const JsonValue& object, kj::StringPtr name);
kj::Maybe<double> getNumber(const JsonValue& object, kj::StringPtr name);
kj::Maybe<const JsonValue&> getObject(const JsonValue& object, kj::StringPtr name);
kj::Maybe<const JsonValue&> getArray(const JsonValue& object, kj::StringPtr name);

// The text of a JSON string value; the caller has checked IsString().
kj::StringPtr stringOf(const JsonValue& value);

// As compact JSON text.
kj::String toJson(const JsonValue& value);

// A copy in which each ill-formed UTF-8 sequence is U+FFFD (one for each maximal subpart, as browsers do).
kj::String toValidUtf8(kj::ArrayPtr<const char> text);

bool isValidUtf8(kj::ArrayPtr<const char> text);

// Writes JSON text piece by piece:
//   JsonWriter json;
//   json.beginObject().field("name", name).key("sizes").beginArray().value(3).endArray().endObject();
//   kj::String text = json.finish();
// Strings that are not UTF-8 are written as toValidUtf8() has them.
class JsonWriter {
 public:
  JsonWriter() : writer(buffer) {}
  KJ_DISALLOW_COPY(JsonWriter);

  JsonWriter& beginObject();
  JsonWriter& endObject();
  JsonWriter& beginArray();
  JsonWriter& endArray();
  JsonWriter& key(kj::StringPtr name);

  JsonWriter& value(decltype(nullptr));
  JsonWriter& value(bool value);
  JsonWriter& value(int value) { return this->value(static_cast<int64_t>(value)); }
  JsonWriter& value(unsigned value) { return this->value(static_cast<uint64_t>(value)); }
  JsonWriter& value(int64_t value);
  JsonWriter& value(uint64_t value);
  // Null if it is not finite.
  JsonWriter& value(double value);
  JsonWriter& value(kj::ArrayPtr<const char> text);
  JsonWriter& value(kj::StringPtr text) { return value(text.asArray()); }
  JsonWriter& value(const kj::String& text) { return value(text.asArray()); }
  JsonWriter& value(const char* text) { return value(kj::StringPtr(text)); }
  JsonWriter& value(const JsonValue& value);

  template <typename T>
  JsonWriter& field(kj::StringPtr name, T&& v) {
    return key(name).value(kj::fwd<T>(v));
  }

  // The text; the value must be complete. Call once.
  kj::String finish();

 private:
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer;
};

}  // namespace sandbridge
