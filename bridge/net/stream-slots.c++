#include "net/stream-slots.h"

namespace sandbridge {

kj::Promise<kj::Own<StreamSlots::Slot>> StreamSlots::take(kj::StringPtr name) {
  std::string key(name.begin(), name.size());
  auto& host = hosts[key];
  if (host.used < perHost) {
    ++host.used;
    return kj::heap<Slot>(kj::addRef(*this), kj::mv(key));
  }
  auto paf = kj::newPromiseAndFulfiller<kj::Own<Slot>>();
  host.waiting.push_back(kj::mv(paf.fulfiller));
  return kj::mv(paf.promise);
}

void StreamSlots::release(const std::string& name) {
  auto found = hosts.find(name);
  auto& host = found->second;
  while (!host.waiting.empty()) {
    auto next = kj::mv(host.waiting.front());
    host.waiting.pop_front();
    if (!next->isWaiting()) continue;  // it has given up
    // Should it give up before it comes to know, dropping this releases it again.
    next->fulfill(kj::heap<Slot>(kj::addRef(*this), name));
    return;
  }
  if (--host.used == 0) hosts.erase(found);
}

}  // namespace sandbridge
