#pragma once
// Files that the processes of a box have mapped shared. Such a file can change without a new time stamp: the kernel stamps
// it when a page is first written to, not at each write after that.

#include <stdint.h>

#include <set>
#include <string>

namespace sandbridge::localcloud {

struct MappedFiles {
  bool unknown = false;         // could not be told: any file may be one
  std::set<std::string> paths;  // as the box sees them
};

// Needs to be allowed to trace the processes, as their user's own process in the parent namespace is.
MappedFiles mappedFiles(uint64_t pidNamespace);

}  // namespace sandbridge::localcloud
