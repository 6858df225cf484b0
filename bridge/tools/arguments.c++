#include "tools/arguments.h"

#include "base/error.h"
#include "base/json.h"

#include <kj/debug.h>

#include <cmath>

namespace sandbridge {

namespace {

int hexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The unit that "\uXXXX" at `i` means, or -1.
int escapedUnit(std::string_view text, size_t i) {
  if (i + 6 > text.size() || text[i] != '\\' || text[i + 1] != 'u') return -1;
  int unit = 0;
  for (size_t k = 2; k < 6; ++k) {
    int digit = hexValue(text[i + k]);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

// JavaScript's JSON may escape half a surrogate pair, which no UTF-8 can hold: it becomes U+FFFD,
// as wherever such text leaves JavaScript.
std::string withoutLoneSurrogates(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      out += text[i++];
      continue;
    }
    int unit = escapedUnit(text, i);
    if (unit < 0) {
      out += text.substr(i, 2);
      i += 2;
    } else if ((unit & 0xfc00) == 0xd800 && (escapedUnit(text, i + 6) & ~0x3ff) == 0xdc00) {
      out += text.substr(i, 12);
      i += 12;
    } else {
      out += (unit & 0xf800) == 0xd800 ? std::string_view("\\ufffd") : text.substr(i, 6);
      i += 6;
    }
  }
  return out;
}

kj::String invalid(kj::StringPtr tool, kj::StringPtr detail) {
  return kj::str("The ", tool, " tool was called with invalid arguments: ", detail,
                 ".\nPlease rewrite the input so it satisfies the expected schema.");
}

// As JavaScript prints a number.
kj::String numberText(double n) {
  if (n == std::floor(n) && std::abs(n) < 1e15) return kj::str(static_cast<int64_t>(n));
  return kj::str(n);
}

kj::String expected(const ArgumentField& field) {
  if (field.choices.size() > 0) {
    return kj::strArray(KJ_MAP(choice, field.choices) { return kj::str('"', choice, '"'); }, " | ");
  }
  auto type = [&]() {
    switch (field.type) {
      case ArgumentField::STRING:
        return "string"_kj;
      case ArgumentField::BOOLEAN:
        return "boolean"_kj;
      case ArgumentField::NATURAL:
      case ArgumentField::POSITIVE:
      case ArgumentField::NUMBER:
        return "number"_kj;
      case ArgumentField::LIST:
        return "array"_kj;
    }
    KJ_UNREACHABLE;
  }();
  return kj::str(type, field.required ? "" : " | undefined");
}

bool isChoice(const ArgumentField& field, kj::StringPtr value) {
  if (field.choices.size() == 0) return true;
  for (auto choice : field.choices) {
    if (choice == value) return true;
  }
  return false;
}

}  // namespace

Arguments::Arguments(kj::StringPtr tool, kj::StringPtr json,
                     kj::ArrayPtr<const ArgumentField> fields) {
  auto text = withoutLoneSurrogates(view(json));
  auto maybeDocument = tryParseJson(kj::arrayPtr(text.data(), text.size()));
  if (maybeDocument == nullptr) {
    throw Refusal{invalid(tool, "they are not a JSON object"_kj)};
  }
  auto& document = KJ_ASSERT_NONNULL(maybeDocument);
  if (!document.IsObject()) {
    throw Refusal{
        invalid(tool, kj::str("SchemaError(Expected object, got ", toJson(document), ")"))};
  }
  for (auto& field : fields) {
    auto refuse = [&](kj::StringPtr message) {
      throw Refusal{
          invalid(tool, kj::str("SchemaError(", message, "\n  at [\"", field.name, "\"])"))};
    };
    auto found = document.FindMember(field.name.cStr());
    if (found == document.MemberEnd()) {
      if (field.required) refuse("Missing key");
      continue;
    }
    auto& value = found->value;
    auto wrongType = [&]() {
      refuse(kj::str("Expected ", expected(field), ", got ", toJson(value)));
    };
    std::string name(view(field.name));
    switch (field.type) {
      case ArgumentField::STRING:
        if (!value.IsString() || !isChoice(field, stringOf(value))) wrongType();
        strings[name] = std::string(value.GetString(), value.GetStringLength());
        break;
      case ArgumentField::BOOLEAN:
        if (!value.IsBool()) wrongType();
        flags[name] = value.GetBool();
        break;
      case ArgumentField::LIST:
        if (!value.IsArray()) wrongType();
        strings[name] = std::string(view(toJson(value)));
        break;
      case ArgumentField::NUMBER:
        if (!value.IsNumber()) wrongType();
        numbers[name] = value.GetDouble();
        break;
      case ArgumentField::NATURAL:
      case ArgumentField::POSITIVE: {
        if (!value.IsNumber()) wrongType();
        double n = value.GetDouble();
        if (n != std::floor(n) || std::abs(n) > 9007199254740991.0) {
          refuse(kj::str("Expected an integer, got ", numberText(n)));
        }
        if (field.type == ArgumentField::NATURAL && n < 0) {
          refuse(kj::str("Expected a value greater than or equal to 0, got ", numberText(n)));
        }
        if (field.type == ArgumentField::POSITIVE && n <= 0) {
          refuse(kj::str("Expected a value greater than 0, got ", numberText(n)));
        }
        numbers[name] = n;
        break;
      }
    }
  }
}

bool Arguments::has(kj::StringPtr name) const {
  auto key = view(name);
  return strings.contains(key) || numbers.contains(key) || flags.contains(key);
}

const std::string& Arguments::string(kj::StringPtr name) const {
  static const std::string EMPTY;
  auto found = strings.find(view(name));
  return found == strings.end() ? EMPTY : found->second;
}

Text Arguments::text(kj::StringPtr name) const {
  auto& s = string(name);
  return decodeUtf8(kj::arrayPtr(s.data(), s.size()).asBytes());
}

const std::string& Arguments::word(kj::StringPtr name, size_t limit) const {
  auto& s = string(name);
  if (s.find('\0') != std::string::npos) {
    throw Refusal{kj::str("The argument '", name, "' must be a string without null bytes.")};
  }
  if (s.size() > limit) {
    throw Refusal{kj::str("The argument '", name, "' has ", s.size(), " bytes; at most ", limit,
                          " are possible.")};
  }
  return s;
}

uint64_t Arguments::number(kj::StringPtr name, uint64_t absent) const {
  auto found = numbers.find(view(name));
  return found == numbers.end() ? absent : static_cast<uint64_t>(found->second);
}

double Arguments::real(kj::StringPtr name, double absent) const {
  auto found = numbers.find(view(name));
  return found == numbers.end() ? absent : found->second;
}

bool Arguments::flag(kj::StringPtr name) const {
  auto found = flags.find(view(name));
  return found != flags.end() && found->second;
}

kj::String Arguments::json(kj::StringPtr name) const {
  auto& text = string(name);
  return text.empty() ? kj::str("[]") : kj::heapString(text.data(), text.size());
}

}  // namespace sandbridge
