// The one program that the bridge puts into each sandbox. What a TensorLake request starts is one of:
//
//   helper check                  whether this file can be run, and nobody else could have put it here
//   helper keeper                 the keeper
//   helper run [await=MS] WORDS   a command, through the keeper (request.h)
//   helper signal GROUP NUMBER    to a process group
//   helper end GROUP              SIGTERM, and SIGKILL 3 s later
//   helper ports MS               which ports something listens on, and each change (ports.h)
//
// Small, static, and without anything of the image it runs in.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/helper/end.h"
#include "sandbox/helper/keeper.h"
#include "sandbox/helper/ports.h"
#include "sandbox/helper/run.h"

using namespace sandbridge::helper;

// Without a C++ library.
void* operator new(size_t size) {
  void* memory = malloc(size);
  if (memory == nullptr) abort();
  return memory;
}
void operator delete(void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }
extern "C" void __cxa_pure_virtual() { abort(); }

namespace {

bool isOurs(const char* folder) {
  struct stat st;
  if (lstat(folder, &st) < 0) {
    dprintf(2, "%s: %s\n", folder, strerror(errno));
    return false;
  }
  bool good = S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 022) == 0;
  if (!good) dprintf(2, "%s is not a directory of ours alone\n", folder);
  return good;
}

// Cuts the last part off.
bool toParent(char* path) {
  char* slash = strrchr(path, '/');
  if (slash == nullptr || slash == path) return false;
  *slash = 0;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  char folder[256];
  if (argc < 2 || argv[0][0] != '/' || strlen(argv[0]) >= sizeof folder) return 2;
  strcpy(folder, argv[0]);
  if (!toParent(folder)) return 2;
  const char* mode = argv[1];
  if (strcmp(mode, "run") == 0) return run(folder, argv + 2, argc - 2);
  if (strcmp(mode, "signal") == 0 && argc == 4) return signalGroup(atoi(argv[2]), atoi(argv[3]));
  if (strcmp(mode, "end") == 0 && argc == 3) return endGroup(atoi(argv[2]));
  if (strcmp(mode, "ports") == 0 && argc == 3) return watchPorts(atol(argv[2]));
  if (strcmp(mode, "keeper") == 0) return keep(folder);
  if (strcmp(mode, "check") == 0) return isOurs(folder) && toParent(folder) && isOurs(folder) ? 0 : 1;
  return 2;
}
