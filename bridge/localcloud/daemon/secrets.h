#pragma once
// Random names and tokens. The daemon has no OpenSSL to take them from.

#include <kj/string.h>

namespace sandbridge::localcloud::daemon {

// 32 bytes from the kernel as 64 hexadecimal digits.
kj::String randomToken();

// 21 characters of A-Z, a-z, 0-9, '_' and '-': 126 random bits.
kj::String randomName();

// Whether two secrets are equal, in a time that depends on their lengths only.
bool equalSecrets(kj::StringPtr a, kj::StringPtr b);

}  // namespace sandbridge::localcloud::daemon
