#pragma once
// What a model sent to a tool, checked in the words of OpenCode's own validation.

#include "tools/replace.h"  // Refusal
#include "tools/text.h"

#include <kj/string.h>

#include <map>
#include <string>

namespace sandbridge {

struct ArgumentField {
  // NATURAL: an integer >= 0; POSITIVE: > 0; NUMBER: any, for real(); LIST: kept as JSON text, for json().
  enum Type { STRING, BOOLEAN, NATURAL, POSITIVE, NUMBER, LIST };
  kj::StringPtr name;
  Type type;
  bool required;
  kj::ArrayPtr<const kj::StringPtr> choices = nullptr;  // of a STRING that is one of few
};

class Arguments {
 public:
  // Throws Refusal for the first thing that is wrong. Unknown fields are ignored.
  Arguments(kj::StringPtr tool, kj::StringPtr json, kj::ArrayPtr<const ArgumentField> fields);

  bool has(kj::StringPtr name) const;
  // UTF-8; "" when absent.
  const std::string& string(kj::StringPtr name) const;
  Text text(kj::StringPtr name) const;
  // Like string(), for what goes to a program or names a file. Throws Refusal for a NUL in it, or
  // more than `limit` bytes.
  const std::string& word(kj::StringPtr name, size_t limit) const;
  uint64_t number(kj::StringPtr name, uint64_t absent) const;
  double real(kj::StringPtr name, double absent) const;
  bool flag(kj::StringPtr name) const;
  // The JSON text of a LIST; "[]" when absent.
  kj::String json(kj::StringPtr name) const;

 private:
  std::map<std::string, std::string, std::less<>> strings;
  std::map<std::string, double, std::less<>> numbers;
  std::map<std::string, bool, std::less<>> flags;
};

}  // namespace sandbridge
