#pragma once
// Which operations have been started: at least the last 4096, in bounded memory.

#include "sandbox/helper/request.h"

namespace sandbridge::helper {

class SeenIds {
 public:
  bool contains(Id id) const { return find(sets[0], id) || find(sets[1], id); }

  void add(Id id) {
    if (count == HALF) {
      current ^= 1;
      for (auto& slot : sets[current]) slot = Id();
      count = 0;
    }
    auto& set = sets[current];
    size_t i = id.low % SLOTS;
    while (!(set[i] == Id())) i = (i + 1) % SLOTS;
    set[i] = id;
    ++count;
  }

 private:
  static constexpr size_t HALF = 4096, SLOTS = 2 * HALF;
  // The one that fills up, and the one before it. An empty slot holds the id 0, which nobody has.
  Id sets[2][SLOTS];
  int current = 0;
  size_t count = 0;

  static bool find(const Id (&set)[SLOTS], Id id) {
    for (size_t i = id.low % SLOTS; !(set[i] == Id()); i = (i + 1) % SLOTS) {
      if (set[i] == id) return true;
    }
    return false;
  }
};

}  // namespace sandbridge::helper
