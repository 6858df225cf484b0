#include "sandbox/helper/ports.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/helper/descriptor.h"

namespace sandbridge::helper {

namespace {

constexpr long LOOK_MS = 300;
constexpr int MOST_TOLD = 64;
// The kernel lists what listens before all connections.
constexpr size_t MAX_TABLE = 1u << 20;
constexpr size_t MAX_ROW = 512;

struct Ports {
  uint64_t bits[65536 / 64] = {};

  void add(unsigned port) { bits[port / 64] |= uint64_t(1) << port % 64; }
  bool has(unsigned port) const { return bits[port / 64] >> port % 64 & 1; }
};

// The blank-separated word that begins at or after `row`, which moves behind it.
const char* word(const char*& row, size_t& size) {
  while (*row == ' ') ++row;
  const char* begin = row;
  while (*row != ' ' && *row != 0) ++row;
  size = row - begin;
  return begin;
}

//   N: ADDRESS:PORT ADDRESS:PORT STATE ...   in hexadecimal digits; 0A is the state that listens
void takeRow(const char* row, Ports& ports) {
  size_t size, stateSize;
  word(row, size);
  const char* local = word(row, size);
  const char* end = local + size;
  word(row, size);
  const char* state = word(row, stateSize);
  if (stateSize != 2 || state[0] != '0' || state[1] != 'A') return;
  unsigned port = 0;
  for (const char* at = end - 4; at < end; ++at) {
    if (at < local) return;
    if (*at >= '0' && *at <= '9') port = port * 16 + (*at - '0');
    else if (*at >= 'A' && *at <= 'F') port = port * 16 + (*at - 'A' + 10);
    else return;
  }
  ports.add(port);
}

void look(const char* table, Ports& ports) {
  Descriptor file(open(table, O_RDONLY | O_CLOEXEC));
  char buffer[8192], row[MAX_ROW];
  size_t size = 0;
  for (size_t total = 0; total < MAX_TABLE;) {
    ssize_t n = read(file.get(), buffer, sizeof buffer);
    if (n <= 0) return;
    total += n;
    for (ssize_t i = 0; i < n; ++i) {
      if (buffer[i] != '\n') {
        if (size < sizeof row - 1) row[size++] = buffer[i];
        continue;
      }
      row[size] = 0;
      takeRow(row, ports);
      size = 0;
    }
  }
}

bool tell(const Ports& ports) {
  char line[MOST_TOLD * 6 + 2];
  char* to = line;
  *to++ = 'l';
  int told = 0;
  for (unsigned port = 1; port < 65536 && told < MOST_TOLD; ++port) {
    if (!ports.has(port)) continue;
    ++told;
    *to++ = ' ';
    bool leading = true;
    for (unsigned unit = 10000; unit > 0; unit /= 10) {
      unsigned digit = port / unit % 10;
      leading = leading && digit == 0;
      if (!leading) *to++ = char('0' + digit);
    }
  }
  *to++ = '\n';
  return write(1, line, to - line) == to - line;
}

}  // namespace

int watchPorts(long forMs) {
  Ports before, told;
  bool hasTold = false;
  for (bool first = true;; first = false) {
    Ports now, steady;
    look("/proc/net/tcp", now);
    look("/proc/net/tcp6", now);
    for (size_t i = 0; i < sizeof steady.bits / sizeof steady.bits[0]; ++i) {
      steady.bits[i] = now.bits[i] & (before.bits[i] | told.bits[i]);
    }
    if (!first && (!hasTold || memcmp(&steady, &told, sizeof steady) != 0)) {
      if (!tell(steady)) return 1;
      told = steady;
      hasTold = true;
    }
    before = now;
    if (forMs <= 0) return 0;
    pollfd reader = {1, 0, 0};
    if (poll(&reader, 1, int(forMs < LOOK_MS ? forMs : LOOK_MS)) > 0) return 0;
    forMs -= LOOK_MS;
  }
}

}  // namespace sandbridge::helper
