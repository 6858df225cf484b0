#include "base/shell-quote.h"

#include "base/error.h"

#include <kj/vector.h>

namespace sandbridge {

kj::String shellQuote(kj::StringPtr word) {
  kj::Vector<char> out(word.size() + 3);
  out.add('\'');
  for (char c : word) {
    if (c == '\0') throwError(ErrorKind::INVALID_ARGUMENT, "a NUL byte cannot be part of a command");
    if (c == '\'') {
      out.addAll("'\\''"_kj);
    } else {
      out.add(c);
    }
  }
  out.add('\'');
  return kj::heapString(out.begin(), out.size());
}

kj::String shellQuote(kj::ArrayPtr<const kj::String> words) {
  return kj::strArray(KJ_MAP(word, words) { return shellQuote(word); }, " ");
}

}  // namespace sandbridge
