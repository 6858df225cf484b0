#pragma once
// Turns on paths: of several that want one path, each waits for those before it.

#include <kj/async.h>

#include <list>
#include <map>
#include <string>

namespace sandbridge {

class PathLocks {
 public:
  // Holds the path until it is destroyed. The PathLocks must outlive it.
  class Lock {
   public:
    Lock(PathLocks& locks, std::string path) : locks(locks), path(std::move(path)) {}
    ~Lock() noexcept(false) { locks.release(path); }
    KJ_DISALLOW_COPY(Lock);

   private:
    PathLocks& locks;
    std::string path;
  };

  kj::Promise<kj::Own<Lock>> acquire(std::string path);
  // Whether somebody holds it.
  bool isHeld(const std::string& path) const { return held.contains(path); }

 private:
  using Waiters = std::list<kj::Own<kj::PromiseFulfiller<kj::Own<Lock>>>>;
  std::map<std::string, Waiters> held;

  void release(const std::string& path);
};

}  // namespace sandbridge
