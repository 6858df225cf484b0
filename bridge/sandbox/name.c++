#include "base/ids.h"
#include "sandbox/sessions.h"

namespace sandbridge {

namespace {

constexpr kj::StringPtr PREFIX = "opencode-"_kj;
// A DNS label, which the name becomes in the sandbox's address.
constexpr size_t MAX_NAME = 63;
// 120 bits: nobody finds two ids with one name.
constexpr size_t DIGEST = 24;

bool isLetterOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// Five bits a character, of the hash.
kj::String digest(kj::StringPtr id) {
  auto hex = sha256Hex(id);
  kj::Vector<char> out(DIGEST);
  unsigned bits = 0, count = 0;
  for (size_t i = 0; out.size() < DIGEST; ++i) {
    bits = (bits << 4) | (hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
    count += 4;
    if (count >= 5) {
      count -= 5;
      out.add("abcdefghijklmnopqrstuvwxyz234567"[(bits >> count) & 31]);
    }
  }
  return kj::heapString(out.asPtr());
}

// Whether a safe id could be mistaken for the name of another one that was given a digest.
bool looksDigested(kj::StringPtr id) {
  return id.size() > DIGEST && id[id.size() - DIGEST - 1] == '-';
}

}  // namespace

kj::String sandboxName(kj::StringPtr id) {
  bool asItIs = id.size() > 0 && PREFIX.size() + id.size() <= MAX_NAME && isLetterOrDigit(id[0]) &&
                isLetterOrDigit(id[id.size() - 1]) && !looksDigested(id);
  for (char c : id) asItIs = asItIs && (isLetterOrDigit(c) || c == '-');
  if (asItIs) return kj::str(PREFIX, id);

  kj::Vector<char> readable;
  for (char c : id) {
    if (PREFIX.size() + readable.size() + 1 + DIGEST >= MAX_NAME) break;
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    if (isLetterOrDigit(c)) {
      readable.add(c);
    } else if (readable.size() > 0 && readable.back() != '-') {
      readable.add('-');
    }
  }
  if (readable.size() == 0 || readable.back() != '-') readable.add('-');
  return kj::str(PREFIX, readable, digest(id));
}

}  // namespace sandbridge
