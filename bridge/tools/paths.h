#pragma once
// Paths as Node's path.posix computes them: by their text alone, never asking a file system.

#include <kj/string.h>

#include <string>

namespace sandbridge {

// Without "." and "..", double slashes; keeps one trailing slash. "" becomes ".".
std::string normalizePath(std::string_view path);

// An absolute path as it is; a relative one below `root`, normalised, its trailing slash kept.
std::string joinToRoot(std::string_view root, std::string_view path);

// The same, but normalised in any case and without a trailing slash (path.resolve).
std::string resolvePath(std::string_view root, std::string_view path);

// How to write absolute path `to` seen from `from`: "" for itself, "../x" for what is outside.
std::string relativePath(std::string_view from, std::string_view to);

// Whether `path` is `root` or below it.
bool isInside(std::string_view root, std::string_view path);

std::string dirName(std::string_view path);
std::string baseName(std::string_view path);

// The extension with its dot, in lower case; "" if there is none (".bashrc" has none).
std::string extensionOf(std::string_view path);

// dir + "/" + name, without doubling a slash.
std::string joinPath(std::string_view dir, std::string_view name);

}  // namespace sandbridge
