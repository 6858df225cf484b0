#pragma once
// The embedded executable (daemon/main.c++), run without ever being a file.

#include <kj/array.h>
#include <kj/io.h>
#include <kj/string.h>

#include <sys/types.h>

namespace sandbridge::localcloud {

// Changes with the executable's content.
kj::String boxImageVersion();

// A sealed memory file that holds it.
kj::AutoCloseFd makeBoxImage();

// Starts it in a session of its own with an empty signal mask and /dev/null as its streams; `inherited` is given to it as
// descriptors 3, 4 and so on. Returns a pidfd. The environment holds PATH only.
kj::AutoCloseFd spawnBoxImage(int image, kj::ArrayPtr<const kj::String> arguments,
                              kj::ArrayPtr<const int> inherited = nullptr);

// Kills a child that is about to end anyway, or that nobody wants any more, and collects it.
void endChild(int pidfd);

// Collects an ended child; true when it ended with 0. A child that somebody else collected counts as ended well.
bool collect(int pidfd);

}  // namespace sandbridge::localcloud
