#pragma once
// Copies the tree that a box has written: everything that overlayfs keeps there included, which is deleted files (devices
// 0:0), opaque folders (extended attributes), owners, modes, times, holes, hard links and special files.
//
// What did not change since an earlier copy is not copied again. Whether it did is told by inode, size and change time, which
// no process in the box can set, with two exceptions that always count as changed: files changed so shortly before they were
// looked at that a later change could bear the same time, and files that a process has mapped.

#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include <set>
#include <string>
#include <unordered_map>

namespace sandbridge::localcloud {

// Where a copy failed. Thrown within the helper only.
struct CopyFailure {
  std::string what;
  int error;  // errno, or 0
};

// What a file was when it was copied.
struct FileMark {
  uint64_t inode;
  int64_t seconds;
  int64_t nanoseconds;
  int64_t size;
};
using FileMarks = std::unordered_map<std::string, FileMark>;  // by path in the tree

// The source's file system stamps a file whenever a mapping of it is first written to: without that, nothing is trusted.
bool stampsMappedWrites(int folder);

struct CopyStatistics {
  uint64_t files = 0;   // everything that is not a folder
  uint64_t bytes = 0;   // of all regular files, holes included
  uint64_t copied = 0;  // files whose content was read
};

class TreeCopy {
 public:
  // Descriptors stay the caller's. `source` may change while it is copied if `tolerant`: what cannot be copied is left out.
  struct Options {
    bool tolerant = false;
    bool keepOwners = false;   // root mode
    bool trust = true;         // false: everything counts as changed, and nothing is remembered
    int previous = -1;         // an earlier snapshot, never written to, of which `previousMarks` tells
    const FileMarks* previousMarks = nullptr;
    const FileMarks* keptMarks = nullptr;  // of what is in the target already
    std::set<std::string> suspects;        // paths of mapped files
  };

  explicit TreeCopy(Options options) : options(options) {}

  // Makes `target` the same as `source`. Throws CopyFailure.
  void copy(int source, int target);

  FileMarks marks;  // of what can be trusted not to have changed later without a sign
  CopyStatistics statistics;

 private:
  Options options;
  timespec trustedBefore = {};
  std::set<uint64_t> suspectInodes;
  std::unordered_map<uint64_t, std::string> linked;  // the first copy of a file with several names
  int targetRoot = -1;
  std::string path;
  uint64_t entries = 0;

  void folder(int source, int target, int previous, int depth);
  void entry(int source, int target, int previous, const char* name, int depth);
  void subfolder(int source, int target, int previous, const char* name, int depth,
                 const struct stat& st);
  void file(int source, int target, int previous, const char* name, const struct stat& st);
  void make(int source, int target, const char* name, const struct stat& st);
  void content(int source, int target, const char* name, const struct stat& st);
  void attributes(int from, int to, const struct stat& st);
  bool isSame(const FileMarks* marks, const struct stat& st);
  bool isSuspect(const struct stat& st);
  void remember(const struct stat& st);
  [[noreturn]] void fail(const char* step);
};

// Removes a file or a whole tree of the target.
void removeEntry(int folder, const char* name);

}  // namespace sandbridge::localcloud
