#pragma once
// The last bytes of a stream, addressed by their position in it. Both what is still to be sent and
// what can be sent again.

#include <stddef.h>
#include <stdint.h>

namespace sandbridge::helper {

class Ring {
 public:
  static constexpr size_t MAX = 1u << 20;

  Ring() = default;
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // At most MAX. Drops the oldest bytes when there is no room.
  void append(const char* bytes, size_t n);

  // Positions of the first byte that is kept, and behind the last.
  uint64_t begin() const { return last - kept; }
  uint64_t end() const { return last; }
  size_t memory() const { return capacity; }

  // The bytes from `position` on that lie together in memory, and how many those are.
  const char* at(uint64_t position, size_t& n) const;

 private:
  char* bytes = nullptr;
  size_t capacity = 0;  // a power of two
  size_t kept = 0;
  uint64_t last = 0;

  void grow(size_t needed);
};

}  // namespace sandbridge::helper
