#include "memory-kills.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace sandbridge::localcloud::daemon {

MemoryKills::MemoryKills(kj::AutoCloseFd file) : file(kj::mv(file)) {}

uint64_t MemoryKills::take() {
  constexpr char KEY[] = "\noom_kill ";
  char text[512] = "\n";
  ssize_t n = pread(file, text + 1, sizeof text - 2, 0);
  if (n <= 0) return 0;
  text[1 + n] = 0;
  const char* line = strstr(text, KEY);
  if (line == nullptr) return 0;
  uint64_t count = strtoull(line + strlen(KEY), nullptr, 10);
  uint64_t fresh = count - taken;
  taken = count;
  return fresh;
}

}  // namespace sandbridge::localcloud::daemon
