#include "secrets.h"

#include <errno.h>
#include <sys/random.h>

#include <kj/debug.h>
#include <kj/encoding.h>

namespace sandbridge::localcloud::daemon {

namespace {

template <size_t size>
kj::FixedArray<kj::byte, size> randomBytes() {
  kj::FixedArray<kj::byte, size> bytes;
  ssize_t n;
  do {
    n = getrandom(bytes.begin(), size, 0);
  } while (n < 0 && errno == EINTR);
  KJ_ASSERT(n == ssize_t(size), "no random bytes");  // so few come at once or not at all
  return bytes;
}

}  // namespace

kj::String randomToken() {
  auto bytes = randomBytes<32>();
  return kj::encodeHex(kj::arrayPtr(bytes.begin(), bytes.size()));
}

kj::String randomName() {
  static constexpr char ALPHABET[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  auto bytes = randomBytes<21>();
  auto name = kj::heapString(bytes.size());
  for (size_t i = 0; i < name.size(); i++) name[i] = ALPHABET[bytes[i] % 64];
  return name;
}

bool equalSecrets(kj::StringPtr a, kj::StringPtr b) {
  if (a.size() != b.size()) return false;
  volatile unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); i++) difference = difference | (a[i] ^ b[i]);
  return difference == 0;
}

}  // namespace sandbridge::localcloud::daemon
