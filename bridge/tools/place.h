#pragma once
// Where a path really is: a symbolic link inside the workspace may lead out of it. OpenCode goes by a path's text alone, so that
// what such a link leads to is read and written without the question that guards what is outside.

#include <kj/string.h>

#include <string_view>

namespace sandbridge {

// A shell function for scripts, in which `root` is the workspace's path. `place PATH` sets `place` to where an absolute path is,
// with the names of what is not there yet as they stand, or to nothing if that cannot be told (links in a circle). It starts no
// program unless the path itself is a link, and leaves the shell in another directory.
extern const kj::StringPtr PLACE_FUNCTION;

// Whether a path that is in the workspace by its text is not there in truth. `place` may be empty: not known.
bool leadsOut(std::string_view root, std::string_view path, std::string_view place);

}  // namespace sandbridge
