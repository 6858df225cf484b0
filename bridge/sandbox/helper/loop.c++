#include "sandbox/helper/loop.h"

#include <sys/epoll.h>

namespace sandbridge::helper {

void Watched::take(Descriptor descriptor) {
  close();
  fd = static_cast<Descriptor&&>(descriptor);
}

void Watched::want(uint32_t events) {
  if (!fd.isOpen() || events == wanted) return;
  epoll_event event = {};
  event.events = events;
  event.data.ptr = this;
  int operation = wanted == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  epoll_ctl(loop.epoll.get(), operation, fd.get(), &event);
  wanted = events;
}

void Watched::close() {
  if (!fd.isOpen()) return;
  // Closing alone would not do: a child that is just being started may hold a copy.
  want(0);
  fd.close();
  for (int i = 0; i < loop.batchSize; ++i) {
    if (loop.batch[i] == this) loop.batch[i] = nullptr;
  }
}

bool Loop::open() {
  epoll = Descriptor(epoll_create1(EPOLL_CLOEXEC));
  return epoll.isOpen();
}

void Loop::turn(int timeoutMs) {
  epoll_event events[BATCH];
  int count = epoll_wait(epoll.get(), events, BATCH, timeoutMs);
  batchSize = count > 0 ? count : 0;
  for (int i = 0; i < batchSize; ++i) batch[i] = static_cast<Watched*>(events[i].data.ptr);
  for (int i = 0; i < batchSize; ++i) {
    Watched* watched = batch[i];
    if (watched != nullptr) watched->handler.ready(watched->which, events[i].events);
  }
  batchSize = 0;
}

}  // namespace sandbridge::helper
