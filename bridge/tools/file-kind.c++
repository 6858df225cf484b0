#include "tools/file-kind.h"

#include "tools/paths.h"

#include <algorithm>

namespace sandbridge {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view BINARY_EXTENSIONS[] = {
    ".zip", ".tar",  ".gz",  ".exe",  ".dll", ".so",   ".class", ".jar", ".war", ".7z",
    ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt",   ".ods", ".odp", ".bin",
    ".dat", ".obj",  ".o",   ".a",    ".lib", ".wasm", ".pyc",   ".pyo"};

}  // namespace

kj::StringPtr attachmentMime(std::string_view path, Bytes sample) {
  std::string_view start(reinterpret_cast<const char*>(sample.begin()), sample.size());
  if (start.starts_with("\x89PNG\r\n\x1a\n"sv)) return "image/png";
  if (start.starts_with("\xff\xd8\xff"sv)) return "image/jpeg";
  if (start.starts_with("GIF8"sv)) return "image/gif";
  if (start.starts_with("BM"sv)) return "";  // a bitmap, which models do not take
  if (start.starts_with("%PDF-"sv)) return "application/pdf";
  if (start.starts_with("RIFF"sv) && start.substr(std::min<size_t>(8, start.size()), 4) == "WEBP") {
    return "image/webp";
  }
  auto extension = extensionOf(path);
  if (extension == ".png") return "image/png";
  if (extension == ".jpg" || extension == ".jpeg" || extension == ".jpe") return "image/jpeg";
  if (extension == ".gif") return "image/gif";
  if (extension == ".webp") return "image/webp";
  if (extension == ".pdf") return "application/pdf";
  return "";
}

bool hasBinaryName(std::string_view path) {
  auto extension = extensionOf(path);
  return std::find(std::begin(BINARY_EXTENSIONS), std::end(BINARY_EXTENSIONS), extension) !=
         std::end(BINARY_EXTENSIONS);
}

bool isBinary(std::string_view path, Bytes sample) {
  if (hasBinaryName(path)) return true;
  size_t odd = 0;
  for (auto byte : sample) {
    if (byte == 0) return true;
    odd += byte < 9 || (byte > 13 && byte < 32);
  }
  return odd * 10 > sample.size() * 3;
}

}  // namespace sandbridge
