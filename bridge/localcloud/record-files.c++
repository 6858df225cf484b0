#include "localcloud/record-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kj/debug.h>
#include <kj/io.h>

namespace sandbridge::localcloud {

namespace {

constexpr size_t ID_LENGTH = 21;
constexpr size_t MAX_RECORD_BYTES = 4u << 20;  // the create call is at most 1 MiB
constexpr kj::StringPtr SUFFIX = ".json"_kj;
constexpr kj::StringPtr TEMPORARY_SUFFIX = ".json.new"_kj;

void syncDirectory(kj::StringPtr dir) {
  int fd;
  KJ_SYSCALL(fd = open(dir.cStr(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir);
  kj::AutoCloseFd closer(fd);
  KJ_SYSCALL(fsync(fd), dir);
}

void makeDirectories(kj::StringPtr dir) {
  for (size_t i = 1; i <= dir.size(); i++) {
    if (i < dir.size() && dir[i] != '/') continue;
    auto part = kj::heapString(dir.slice(0, i));
    if (mkdir(part.cStr(), 0700) < 0 && errno != EEXIST) {
      int error = errno;
      struct stat info;
      if (stat(part.cStr(), &info) == 0 && S_ISDIR(info.st_mode)) continue;  // EROFS, EACCES on an old one
      KJ_FAIL_SYSCALL("mkdir", error, part);
    }
  }
}

kj::Maybe<kj::String> readSmallFile(kj::StringPtr path) {
  int fd;
  KJ_SYSCALL(fd = open(path.cStr(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW), path);
  kj::AutoCloseFd closer(fd);
  struct stat info;
  KJ_SYSCALL(fstat(fd, &info), path);
  if (!S_ISREG(info.st_mode) || static_cast<uint64_t>(info.st_size) > MAX_RECORD_BYTES) return nullptr;
  return kj::FdInputStream(fd).readAllText(MAX_RECORD_BYTES + 1);
}

}  // namespace

kj::String newId() {
  constexpr char ALPHABET[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  auto id = kj::heapString(ID_LENGTH);
  size_t filled = 0;
  while (filled < ID_LENGTH) {
    kj::byte random[64];
    ssize_t n;
    KJ_SYSCALL(n = getrandom(random, sizeof(random), 0));
    for (ssize_t i = 0; i < n && filled < ID_LENGTH; i++) {
      // 252 is the largest multiple of 36 in a byte: the rest would favour the first letters.
      if (random[i] < 252) id[filled++] = ALPHABET[random[i] % 36];
    }
  }
  return id;
}

bool isId(kj::StringPtr text) {
  if (text.size() != ID_LENGTH) return false;
  for (char c: text) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return false;
  }
  return true;
}

RecordFiles::RecordFiles(kj::StringPtr dir): dir(kj::heapString(dir)) {
  makeDirectories(dir);
}

kj::String RecordFiles::pathOf(kj::StringPtr id) {
  KJ_REQUIRE(isId(id), "not an id", id);
  return kj::str(dir, '/', id, SUFFIX);
}

kj::Vector<RecordFiles::File> RecordFiles::load() {
  kj::Vector<File> result;
  DIR* handle = opendir(dir.cStr());
  if (handle == nullptr) KJ_FAIL_SYSCALL("opendir", errno, dir);
  KJ_DEFER(closedir(handle));
  for (;;) {
    errno = 0;
    struct dirent* entry = readdir(handle);
    if (entry == nullptr) {
      if (errno != 0) KJ_FAIL_SYSCALL("readdir", errno, dir);
      return result;
    }
    kj::StringPtr file = entry->d_name;
    if (file.endsWith(TEMPORARY_SUFFIX)) {
      auto path = kj::str(dir, '/', file);
      KJ_SYSCALL(unlink(path.cStr()), path);
      continue;
    }
    if (!file.endsWith(SUFFIX)) continue;
    auto id = kj::heapString(file.slice(0, file.size() - SUFFIX.size()));
    if (!isId(id)) continue;
    auto text = readSmallFile(pathOf(id));
    result.add(File{kj::mv(id), kj::mv(text)});
  }
}

void RecordFiles::save(kj::StringPtr id, kj::StringPtr text, Sync sync) {
  auto path = pathOf(id);
  auto temporary = kj::str(dir, '/', id, TEMPORARY_SUFFIX);
  {
    int fd;
    KJ_SYSCALL(fd = open(temporary.cStr(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600),
               temporary);
    kj::AutoCloseFd closer(fd);
    KJ_ON_SCOPE_FAILURE(unlink(temporary.cStr()));
    kj::FdOutputStream(fd).write(text.begin(), text.size());
    if (sync == Sync::NOW) {
      KJ_SYSCALL(fdatasync(fd), temporary);
    }
  }
  KJ_SYSCALL(rename(temporary.cStr(), path.cStr()), path);
  if (sync == Sync::NOW) syncDirectory(dir);
}

void RecordFiles::remove(kj::StringPtr id) {
  auto path = pathOf(id);
  if (unlink(path.cStr()) < 0 && errno != ENOENT) KJ_FAIL_SYSCALL("unlink", errno, path);
}

}  // namespace sandbridge::localcloud
