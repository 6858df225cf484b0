#pragma once
// How many connections of a host may be held by streams, which last as long as a command runs. The rest is for requests that
// come and go: among them the one that ends such a command.

#include <kj/async.h>
#include <kj/refcount.h>
#include <kj/string.h>

#include <deque>
#include <string>
#include <unordered_map>

namespace sandbridge {

class StreamSlots final : public kj::Refcounted {
 public:
  explicit StreamSlots(unsigned perHost) : perHost(perHost) {}

  // Held until it is dropped.
  class Slot {
   public:
    Slot(kj::Own<StreamSlots> slots, std::string host) : slots(kj::mv(slots)), host(kj::mv(host)) {}
    ~Slot() noexcept(false) { slots->release(host); }
    KJ_DISALLOW_COPY(Slot);

   private:
    kj::Own<StreamSlots> slots;
    std::string host;
  };

  // Resolves once one is free, in the order of the calls.
  kj::Promise<kj::Own<Slot>> take(kj::StringPtr host);

 private:
  struct Host {
    unsigned used = 0;
    std::deque<kj::Own<kj::PromiseFulfiller<kj::Own<Slot>>>> waiting;
  };

  unsigned perHost;
  std::unordered_map<std::string, Host> hosts;

  void release(const std::string& host);
};

}  // namespace sandbridge
