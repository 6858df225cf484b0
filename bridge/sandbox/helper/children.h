#pragma once
// The keeper's child processes: the commands that it runs, and what those have left in the background, which
// becomes its own (keeper.c++).

#include <sys/wait.h>

namespace sandbridge::helper {

class Children {
 public:
  int commands = 0;

  static bool any() {
    siginfo_t child = {};
    return waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0;
  }
  // Whether there are such that no running command can tell of when it ends.
  bool leftBehind() const { return commands == 0 && any(); }
};

}  // namespace sandbridge::helper
