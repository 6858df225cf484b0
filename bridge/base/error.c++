#include "base/error.h"

#include <ctype.h>
#include <string.h>

#include <kj/vector.h>

namespace sandbridge {
namespace {

struct Word {
  ErrorKind kind;
  kj::StringPtr word;
};

constexpr kj::StringPtr REMOTE = "remote exception: "_kj;

const Word WORDS[] = {
    {ErrorKind::NOT_FOUND, "notFound"_kj},
    {ErrorKind::INVALID_ARGUMENT, "invalidArgument"_kj},
    {ErrorKind::DENIED, "denied"_kj},
    {ErrorKind::UNAVAILABLE, "unavailable"_kj},
    {ErrorKind::INTERRUPTED, "interrupted"_kj},
    {ErrorKind::SANDBOX_LOST, "sandboxLost"_kj},
    {ErrorKind::FAILED, "failed"_kj},
};

// Each connection that an exception passed puts its prefix in front.
kj::StringPtr withoutRemote(kj::StringPtr text) {
  while (text.startsWith(REMOTE)) text = text.slice(REMOTE.size());
  return text;
}

// The word that `text` begins with, if a colon follows it at once.
kj::Maybe<const Word&> leadingWord(kj::StringPtr text) {
  for (auto& word : WORDS) {
    if (text.startsWith(word.word) && text[word.word.size()] == ':') return word;
  }
  return nullptr;
}

bool isSourceSuffix(kj::ArrayPtr<const char> name) {
  for (kj::StringPtr suffix : {".c++"_kj, ".h"_kj, ".cc"_kj, ".cpp"_kj, ".c"_kj, ".hpp"_kj}) {
    if (name.size() > suffix.size() &&
        memcmp(name.end() - suffix.size(), suffix.begin(), suffix.size()) == 0) {
      return true;
    }
  }
  return false;
}

// Of a failed system call KJ says "write(fd, pos, size): No space left on device; fd = 17": what the call looks like in
// our source and the number of a file mean nothing to people.
kj::String withoutCall(kj::String text) {
  size_t name = 0;
  while (name < text.size() && (isalnum(static_cast<unsigned char>(text[name])) || text[name] == '_' || text[name] == ':')) {
    ++name;
  }
  if (name == 0 || text[name] != '(') return text;
  auto reason = strstr(text.cStr() + name, "): ");
  if (reason == nullptr || reason[3] == '\0') return text;
  kj::StringPtr rest = reason + 3;
  KJ_IF_MAYBE (semicolon, rest.findLast(';')) {
    constexpr kj::StringPtr NUMBER = "; fd = "_kj;
    if (rest.slice(*semicolon).startsWith(NUMBER)) return kj::heapString(rest.slice(0, *semicolon));
  }
  return kj::heapString(rest);
}

}  // namespace

kj::StringPtr toWord(ErrorKind kind) {
  for (auto& word : WORDS) {
    if (word.kind == kind) return word.word;
  }
  return "failed";
}

kj::Exception makeError(ErrorKind kind, kj::StringPtr text) {
  auto type = kind == ErrorKind::UNAVAILABLE ? kj::Exception::Type::OVERLOADED
                                             : kj::Exception::Type::FAILED;
  return kj::Exception(type, "sandbridge", 0, kj::str(toWord(kind), ": ", text));
}

void throwError(ErrorKind kind, kj::StringPtr text) {
  kj::throwFatalException(makeError(kind, text), 1);
}

ErrorKind kindOf(const kj::Exception& e) {
  KJ_IF_MAYBE (word, leadingWord(withoutRemote(e.getDescription()))) {
    return word->kind;
  }
  return e.getType() == kj::Exception::Type::OVERLOADED ? ErrorKind::UNAVAILABLE
                                                        : ErrorKind::FAILED;
}

kj::String textOf(const kj::Exception& e) {
  auto text = withoutRemote(e.getDescription());
  KJ_IF_MAYBE (word, leadingWord(text)) {
    text = text.slice(word->word.size() + 1);
    while (text.startsWith(" ")) text = text.slice(1);
  }
  if (text.size() == 0) return kj::str("an error without a description");
  return withoutCall(withoutSources(text));
}

// Removes each "some/file.c++:12: ", the "failed: " after it, and the stack addresses behind.
kj::String withoutSources(kj::StringPtr text) {
  kj::Vector<char> out(text.size() + 1);
  auto begin = text.begin(), end = text.end();
  if (auto stack = strstr(begin, "\nstack: ")) end = stack;
  for (auto pos = begin; pos < end;) {
    auto wordEnd = pos;
    while (wordEnd < end && !isspace(static_cast<unsigned char>(*wordEnd))) ++wordEnd;
    // Is this word "file:digits:"?
    auto digits = wordEnd;
    if (digits > pos && digits[-1] == ':') {
      auto last = --digits;
      while (digits > pos && isdigit(static_cast<unsigned char>(digits[-1]))) --digits;
      if (digits < last && digits > pos && digits[-1] == ':' &&
          isSourceSuffix(kj::arrayPtr(pos, digits - 1))) {
        pos = wordEnd;
        while (pos < end && *pos == ' ') ++pos;
        constexpr kj::StringPtr FAILED = "failed: "_kj;
        if (static_cast<size_t>(end - pos) >= FAILED.size() &&
            memcmp(pos, FAILED.begin(), FAILED.size()) == 0) {
          pos += FAILED.size();
        }
        continue;
      }
    }
    out.addAll(kj::arrayPtr(pos, wordEnd));
    while (wordEnd < end && isspace(static_cast<unsigned char>(*wordEnd))) out.add(*wordEnd++);
    pos = wordEnd;
  }
  return kj::heapString(out.begin(), out.size());
}

}  // namespace sandbridge
