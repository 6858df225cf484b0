#pragma once
// The one place that turns data into POSIX shell text.

#include <kj/common.h>
#include <kj/string.h>

namespace sandbridge {

// One word in single quotes that a POSIX shell reads as exactly these bytes. Throws INVALID_ARGUMENT for a NUL, which no
// shell word can hold.
kj::String shellQuote(kj::StringPtr word);

// Several words with blanks between them.
kj::String shellQuote(kj::ArrayPtr<const kj::String> words);

}  // namespace sandbridge
