#include "tools/path-locks.h"

#include <kj/debug.h>

namespace sandbridge {

kj::Promise<kj::Own<PathLocks::Lock>> PathLocks::acquire(std::string path) {
  auto [entry, isNew] = held.try_emplace(path);
  if (isNew) return kj::heap<Lock>(*this, std::move(path));
  auto turn = kj::newPromiseAndFulfiller<kj::Own<Lock>>();
  entry->second.push_back(kj::mv(turn.fulfiller));
  return kj::mv(turn.promise);
}

void PathLocks::release(const std::string& path) {
  auto entry = held.find(path);
  KJ_ASSERT(entry != held.end());
  while (!entry->second.empty()) {
    auto next = kj::mv(entry->second.front());
    entry->second.pop_front();
    if (next->isWaiting()) {
      // If the waiter goes away before it looks, the lock in its promise releases again.
      next->fulfill(kj::heap<Lock>(*this, path));
      return;
    }
  }
  held.erase(entry);
}

}  // namespace sandbridge
