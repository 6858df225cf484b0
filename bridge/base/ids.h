#pragma once
// Secrets and digests: tokens, their file, and how they are compared.

#include <kj/common.h>
#include <kj/string.h>

namespace sandbridge {

// 32 bytes from the kernel as 64 hexadecimal digits.
kj::String randomToken();

// Whether two secrets are equal, in a time that depends on their lengths only.
bool equalSecrets(kj::StringPtr a, kj::StringPtr b);

// 64 lower-case hexadecimal digits.
kj::String sha256Hex(kj::ArrayPtr<const kj::byte> bytes);
kj::String sha256Hex(kj::StringPtr text);

// `$XDG_STATE_HOME/sandbridge/token`, or `~/.local/state/sandbridge/token`.
kj::String defaultTokenFile();

// The token in the file. Errors of base/error.h, without the token: NOT_FOUND if there is no such file; DENIED if others
// may read it or it belongs to another user; INVALID_ARGUMENT if it holds no token (16 to 4096
// printable ASCII characters without blanks; white space around them is ignored).
kj::String loadToken(kj::StringPtr path);

// As loadToken(), but makes the file (0600) with a new token if it is missing, and its directories (0700). Of several
// processes that do so at once all return the same token, and none can see half a file.
kj::String loadOrCreateToken(kj::StringPtr path);

}  // namespace sandbridge
