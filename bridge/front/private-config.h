#pragma once
// Where and with what configuration the bridge's OpenCode runs: with the user's own models, keys and settings, but in an empty
// directory, with our plugin, and with every built-in tool that touches the machine denied should the plugin fail to load.

#include <kj/string.h>

namespace sandbridge {

struct OpenCodePlace {
  kj::String directory;   // to work in; empty
  kj::String configHome;  // for XDG_CONFIG_HOME
};

// Makes the private directories (0700) below `stateDir`. The one for XDG_CONFIG_HOME shows everything that the user's own has,
// by symbolic links, save that OpenCode finds its plugin library installed there: else it would run a package manager at its
// first start, and wait for it.
OpenCodePlace makeOpenCodePlace(kj::StringPtr stateDir);

// OPENCODE_CONFIG_CONTENT: what the user has there (JSON text, or empty), and our settings over it.
kj::String openCodeConfig(kj::StringPtr users, kj::StringPtr pluginPath);

// OPENCODE_PERMISSION, which OpenCode merges last of all: the user's, and the fail-closed rules over it. Each of those ends in
// an allowed pattern that matches nothing, since a tool whose last rule denies "*" is hidden from the model, and the
// plugin's tool of that name with it. Once loaded, the plugin puts the user's intent back.
kj::String openCodePermission(kj::StringPtr users);

// Our own environment for the child: without our credentials, and with `additions` ("NAME=value") over it.
kj::Array<kj::String> childEnvironment(kj::ArrayPtr<const kj::String> additions);

}  // namespace sandbridge
