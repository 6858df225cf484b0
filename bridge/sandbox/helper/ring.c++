#include "sandbox/helper/ring.h"

#include <stdlib.h>
#include <string.h>

namespace sandbridge::helper {

Ring::~Ring() { free(bytes); }

void Ring::append(const char* from, size_t n) {
  if (kept + n > capacity) grow(kept + n);
  if (n > capacity) {  // no memory: only the end can be kept
    last += n - capacity;
    from += n - capacity;
    n = capacity;
    kept = 0;
  }
  for (size_t done = 0; done < n;) {
    size_t at = last & (capacity - 1);
    size_t part = n - done < capacity - at ? n - done : capacity - at;
    memcpy(bytes + at, from + done, part);
    done += part;
    last += part;
  }
  kept = kept + n < capacity ? kept + n : capacity;
}

const char* Ring::at(uint64_t position, size_t& n) const {
  n = last - position;
  if (n == 0) return bytes;
  size_t at = position & (capacity - 1);
  if (n > capacity - at) n = capacity - at;
  return bytes + at;
}

void Ring::grow(size_t needed) {
  size_t size = capacity == 0 ? 256 : capacity;
  while (size < needed && size < MAX) size *= 2;
  if (size == capacity) return;
  auto fresh = static_cast<char*>(malloc(size));
  if (fresh == nullptr) return;
  for (uint64_t position = begin(); position < last;) {
    size_t n;
    auto from = at(position, n);
    size_t to = position & (size - 1);
    if (n > size - to) n = size - to;
    memcpy(fresh + to, from, n);
    position += n;
  }
  free(bytes);
  bytes = fresh;
  capacity = size;
}

}  // namespace sandbridge::helper
