#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/coroutine.h"

namespace sandbridge::localcloud::daemon {

namespace {

// Bodies up to this stay in memory, larger ones go through an unnamed file first.
constexpr uint64_t MEMORY_BYTES = 4u << 20;
constexpr size_t CHUNK_BYTES = 256u << 10;
// Files of /proc and the like have no size; none is larger than this.
constexpr size_t MAX_UNSIZED_BYTES = 16u << 20;
constexpr size_t MAX_ENTRIES = 250000;

[[noreturn]] void fail(kj::StringPtr what, kj::StringPtr path, int error) {
  throw ApiError{500, kj::str(what, ": ", path, ": ", strerror(error)), "INTERNAL_ERROR"_kj};
}

[[noreturn]] void failNotFound(kj::StringPtr path) {
  throw ApiError{404, kj::str("File not found: ", path), "NOT_FOUND"_kj};
}

// Relative paths start at the daemon's own folder, /workspace.
kj::String checkPath(kj::StringPtr path) {
  if (path.size() == 0) throw ApiError{400, kj::str("Path is empty"), ""_kj};
  if (memchr(path.begin(), 0, path.size()) != nullptr) {
    throw ApiError{400, kj::str("Path contains a NUL byte"), ""_kj};
  }
  size_t start = 0;
  for (size_t i = 0; i <= path.size(); i++) {
    if (i < path.size() && path[i] != '/') continue;
    if (i - start == 2 && path[start] == '.' && path[start + 1] == '.') {
      throw ApiError{403, kj::str("Path traversal detected: '..' is not allowed"),
                     "PATH_TRAVERSAL"_kj};
    }
    start = i + 1;
  }
  return kj::str(path);
}

void makeParents(kj::StringPtr path) {
  for (size_t i = 1; i < path.size(); i++) {
    if (path[i] != '/') continue;
    auto parent = kj::heapString(path.slice(0, i));
    if (mkdir(parent.cStr(), 0755) < 0 && errno != EEXIST) {
      fail("Failed to create parent directories for", path, errno);
    }
  }
}

kj::AutoCloseFd openForWrite(kj::StringPtr path) {
  // O_NONBLOCK: a FIFO must not hang the daemon.
  int fd = open(path.cStr(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
  if (fd < 0) fail("Failed to create file", path, errno);
  kj::AutoCloseFd result(fd);
  struct stat st;
  if (fstat(fd, &st) < 0) fail("Failed to create file", path, errno);
  if (!S_ISREG(st.st_mode)) fail("Failed to create file: not a regular file", path, EINVAL);
  return result;
}

void writeAll(int fd, kj::ArrayPtr<const kj::byte> bytes, kj::StringPtr path) {
  while (bytes.size() > 0) {
    ssize_t n = write(fd, bytes.begin(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("Failed to write file", path, errno);
    bytes = bytes.slice(n, bytes.size());
  }
}

// An unnamed file near the target, or in /tmp.
kj::AutoCloseFd makeUnnamed(kj::StringPtr path) {
  kj::String folder = kj::str(".");
  KJ_IF_MAYBE (slash, path.findLast('/')) {
    folder = *slash == 0 ? kj::str("/") : kj::heapString(path.slice(0, *slash));
  }
  int fd = open(folder.cStr(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
  if (fd < 0) fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
  if (fd < 0) {
    char name[] = "/tmp/.upload-XXXXXX";
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0) unlink(name);
  }
  if (fd < 0) fail("Failed to write file", path, errno);
  return kj::AutoCloseFd(fd);
}

}  // namespace

OpenFile openForRead(kj::StringPtr text) {
  auto path = checkPath(text);
  // O_NONBLOCK: a FIFO must not hang the daemon.
  int fd = open(path.cStr(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) {
    if (errno == ENOENT) failNotFound(path);
    fail("Failed to read file", path, errno);
  }
  OpenFile result{kj::AutoCloseFd(fd), nullptr};
  struct stat st;
  if (fstat(fd, &st) < 0) fail("Failed to read file", path, errno);
  if (S_ISDIR(st.st_mode)) {
    throw ApiError{400,
                   kj::str("Path is a directory, not a file: ", path,
                           ". Use /api/v1/files/list to list directory contents."),
                   "IS_DIRECTORY"_kj};
  }
  if (!S_ISREG(st.st_mode)) fail("Failed to read file: not a regular file", path, EINVAL);
  if (st.st_size > 0) result.size = static_cast<uint64_t>(st.st_size);
  return result;
}

kj::Array<kj::byte> readUnsized(int fd) {
  kj::Vector<kj::byte> all;
  kj::byte buffer[16384];
  while (all.size() < MAX_UNSIZED_BYTES) {
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("Failed to read file", "it", errno);
    if (n == 0) break;
    all.addAll(kj::arrayPtr(buffer, n));
  }
  return all.releaseAsArray();
}

kj::Promise<void> sendFile(kj::AutoCloseFd fd, uint64_t size,
                           kj::Own<kj::AsyncOutputStream> to) {
  auto buffer = kj::heapArray<kj::byte>(kj::min(size, CHUNK_BYTES));
  while (size > 0) {
    ssize_t n = read(fd, buffer.begin(), kj::min(size, buffer.size()));
    if (n < 0 && errno == EINTR) continue;
    // The header has promised `size` bytes: break the connection rather than send fewer.
    if (n <= 0) {
      kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "the file became shorter while it was read"));
    }
    co_await to->write(buffer.begin(), n);
    size -= n;
  }
}

kj::Promise<kj::Maybe<ApiError>> writeWholeFile(kj::String text, kj::AsyncInputStream& body,
                                                uint64_t size) {
  try {
    auto path = checkPath(text);
    if (size <= MEMORY_BYTES) {
      auto bytes = kj::heapArray<kj::byte>(size);
      co_await body.read(bytes.begin(), size);
      makeParents(path);
      auto fd = openForWrite(path);
      if (ftruncate(fd, 0) < 0) fail("Failed to write file", path, errno);
      writeAll(fd, bytes, path);
      co_return nullptr;
    }
    makeParents(path);
    auto spool = makeUnnamed(path);
    auto buffer = kj::heapArray<kj::byte>(CHUNK_BYTES);
    for (uint64_t left = size; left > 0;) {
      size_t n = kj::min(left, buffer.size());
      co_await body.read(buffer.begin(), n);
      writeAll(spool, buffer.slice(0, n), path);
      left -= n;
    }
    // Where there is no such file the unnamed one gets its name.
    auto own = kj::str("/proc/self/fd/", spool.get());
    if (linkat(AT_FDCWD, own.cStr(), AT_FDCWD, path.cStr(), AT_SYMLINK_FOLLOW) == 0) co_return nullptr;
    auto fd = openForWrite(path);
    if (ftruncate(fd, 0) < 0) fail("Failed to write file", path, errno);
    off_t offset = 0;
    while (static_cast<uint64_t>(offset) < size) {
      ssize_t n = sendfile(fd, spool, &offset, 8u << 20);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) fail("Failed to write file", path, n == 0 ? EIO : errno);
      co_await kj::evalLater([]() {});  // others first
    }
    co_return nullptr;
  } catch (ApiError& error) {
    co_return kj::mv(error);
  }
}

void removeFile(kj::StringPtr text) {
  auto path = checkPath(text);
  if (unlink(path.cStr()) == 0) return;
  int error = errno;
  if (error == ENOENT) failNotFound(path);
  struct stat st;
  if (lstat(path.cStr(), &st) == 0 && S_ISDIR(st.st_mode)) {
    throw ApiError{400, kj::str("Path is a directory, not a file: ", path), "IS_DIRECTORY"_kj};
  }
  fail("Failed to delete file", path, error);
}

kj::Vector<FolderEntry> listFolder(kj::StringPtr text) {
  auto path = checkPath(text);
  struct stat st;
  if (stat(path.cStr(), &st) < 0) {
    if (errno == ENOENT) failNotFound(path);
    fail("Failed to get metadata", path, errno);
  }
  if (!S_ISDIR(st.st_mode)) {
    throw ApiError{400, kj::str("Path is not a directory: ", path), "NOT_A_DIRECTORY"_kj};
  }
  DIR* stream = opendir(path.cStr());
  if (stream == nullptr) fail("Failed to read directory", path, errno);
  KJ_DEFER(closedir(stream));
  kj::Vector<FolderEntry> entries;
  while (dirent* entry = readdir(stream)) {
    kj::StringPtr name = entry->d_name;
    if (name == "." || name == "..") continue;
    // Gone meanwhile: not there.
    if (fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
    if (entries.size() >= MAX_ENTRIES) {
      fail("Failed to read directory: too many entries", path, EOVERFLOW);
    }
    entries.add(FolderEntry{
        kj::str(name), S_ISDIR(st.st_mode), static_cast<uint64_t>(st.st_size),
        static_cast<int64_t>(st.st_mtim.tv_sec) * 1000 + st.st_mtim.tv_nsec / 1000000});
  }
  std::sort(entries.begin(), entries.end(), [](const FolderEntry& a, const FolderEntry& b) {
    if (a.isFolder != b.isFolder) return a.isFolder;
    return a.name < b.name;
  });
  return entries;
}

}  // namespace sandbridge::localcloud::daemon
