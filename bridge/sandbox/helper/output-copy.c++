#include "sandbox/helper/output-copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "sandbox/helper/launch.h"

namespace sandbridge::helper {

namespace {

constexpr time_t KEPT = 7 * 24 * 3600;
// So many files are looked at when old ones are removed: nobody may be kept waiting by a full folder.
constexpr int MAX_LOOKS = 2000;

void removeOld(const char* folder) {
  DIR* directory = opendir(folder);
  if (directory == nullptr) return;
  time_t now = time(nullptr);
  for (int i = 0; i < MAX_LOOKS; ++i) {
    dirent* entry = readdir(directory);
    if (entry == nullptr) break;
    struct stat st;
    if (fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(st.st_mode) && st.st_mtime < now - KEPT) {
      unlinkat(dirfd(directory), entry->d_name, 0);
    }
  }
  closedir(directory);
}

}  // namespace

OutputCopy::~OutputCopy() {
  free(path);
  free(text);
}

void OutputCopy::setUp(const CopyRequest& request) {
  limits = request;
  path = strdup(request.path);
  text = strdup(request.notice);
}

void OutputCopy::add(const Ring& ring, const char* bytes, size_t n) {
  if (path == nullptr || text == nullptr) return;
  total += n;
  for (size_t i = 0; i < n; ++i) lines += bytes[i] == '\n';
  if (begun) {
    write(bytes, n);
  } else if (lines > limits.lines || total > limits.bytes) {
    begin();
    incomplete = incomplete || ring.begin() > 0;
    for (uint64_t position = ring.begin(); position < ring.end();) {
      size_t size;
      auto part = ring.at(position, size);
      write(part, size);
      position += size;
    }
  }
}

void OutputCopy::begin() {
  begun = true;
  char* slash = strrchr(path, '/');
  *slash = 0;
  makeDirectories(path, 0700);
  removeOld(path);
  *slash = '/';
  file = Descriptor(open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  incomplete = !file.isOpen();
}

void OutputCopy::write(const char* bytes, size_t n) {
  if (incomplete) return;
  while (n > 0) {
    if (written == limits.limit) break;
    size_t part = n < limits.limit - written ? n : limits.limit - written;
    ssize_t done = ::write(file.get(), bytes, part);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) break;
    bytes += done;
    n -= done;
    written += done;
  }
  if (n > 0) {
    incomplete = true;
    file.close();
  }
}

}  // namespace sandbridge::helper
