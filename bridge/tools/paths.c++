#include "tools/paths.h"

#include <vector>

namespace sandbridge {

namespace {

std::vector<std::string_view> parts(std::string_view path) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at <= path.size();) {
    size_t end = path.find('/', at);
    if (end == std::string_view::npos) end = path.size();
    if (end > at) out.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

}  // namespace

std::string normalizePath(std::string_view path) {
  bool absolute = path.starts_with('/'), slash = path.ends_with('/');
  std::vector<std::string_view> kept;
  for (auto part : parts(path)) {
    if (part == ".") continue;
    if (part == "..") {
      if (!kept.empty() && kept.back() != "..") {
        kept.pop_back();
        continue;
      }
      if (absolute) continue;
    }
    kept.push_back(part);
  }
  std::string out = absolute ? "/" : "";
  for (size_t i = 0; i < kept.size(); ++i) {
    if (i > 0) out += '/';
    out += kept[i];
  }
  if (kept.empty()) return absolute ? "/" : slash ? "./" : ".";
  if (slash) out += '/';
  return out;
}

std::string joinToRoot(std::string_view root, std::string_view path) {
  if (path.starts_with('/')) return std::string(path);
  if (path.empty()) return normalizePath(root);
  return normalizePath(std::string(root) + "/" + std::string(path));
}

std::string resolvePath(std::string_view root, std::string_view path) {
  auto out = normalizePath(path.starts_with('/') ? std::string(path)
                                                 : std::string(root) + "/" + std::string(path));
  if (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out;
}

std::string relativePath(std::string_view from, std::string_view to) {
  auto a = resolvePath("/", from), b = resolvePath("/", to);
  auto x = parts(a), y = parts(b);
  size_t common = 0;
  while (common < x.size() && common < y.size() && x[common] == y[common]) ++common;
  std::string out;
  auto add = [&](std::string_view part) {
    if (!out.empty()) out += '/';
    out += part;
  };
  for (size_t i = common; i < x.size(); ++i) add("..");
  for (size_t i = common; i < y.size(); ++i) add(y[i]);
  return out;
}

bool isInside(std::string_view root, std::string_view path) {
  auto rel = relativePath(root, path);
  return rel != ".." && !rel.starts_with("../");
}

std::string dirName(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  while (slash > 0 && path[slash - 1] == '/') --slash;
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

std::string baseName(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

std::string extensionOf(std::string_view path) {
  auto name = baseName(path);
  size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot == 0) return "";
  auto out = name.substr(dot);
  for (auto& c : out) {
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  }
  return out;
}

std::string joinPath(std::string_view dir, std::string_view name) {
  std::string out(dir);
  if (!out.ends_with('/')) out += '/';
  return out.append(name);
}

}  // namespace sandbridge
