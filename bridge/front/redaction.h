#pragma once
// OpenCode shows its configuration to every client, the model's keys included. Behind the front they stay where they are.

#include <kj/string.h>

namespace sandbridge {

// Whether the answer to a request for this URL may hold keys.
bool mayShowKeys(kj::StringPtr url);

// `json` with the text of every member that is named like a key (apiKey, token, Authorization ...), and every variable of an
// environment, replaced by "hidden". Throws INVALID_ARGUMENT when it is not JSON.
kj::String withoutKeys(kj::ArrayPtr<const char> json);

}  // namespace sandbridge
