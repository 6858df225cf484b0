#include "terminal-output.h"

#include <string.h>

namespace sandbridge::localcloud::daemon {

void TerminalOutput::add(kj::ArrayPtr<const kj::byte> bytes) {
  while (bytes.size() > 0) {
    size_t used = (nextPosition - firstPosition) - (blocks.empty() ? 0 : (blocks.size() - 1) * BLOCK);
    if (blocks.empty() || used == BLOCK) {
      blocks.push_back(kj::heapArray<kj::byte>(BLOCK));
      used = 0;
    }
    size_t n = kj::min(bytes.size(), BLOCK - used);
    memcpy(blocks.back().begin() + used, bytes.begin(), n);
    nextPosition += n;
    bytes = bytes.slice(n, bytes.size());
  }
  trim();
  tell();
}

void TerminalOutput::end() {
  isEnded = true;
  tell();
}

void TerminalOutput::trim() {
  uint64_t wanted = nextPosition - kj::min(nextPosition, uint64_t(SCROLLBACK));
  for (auto cursor : cursors) wanted = kj::min(wanted, cursor->position);
  wanted = kj::max(wanted, nextPosition - kj::min(nextPosition, uint64_t(MAX_LAG)));
  while (firstPosition + BLOCK <= wanted) {
    blocks.pop_front();
    firstPosition += BLOCK;
  }
}

void TerminalOutput::tell() {
  auto waiters = kj::mv(changed);
  for (auto& waiter : waiters) waiter->fulfill();
}

kj::Promise<void> TerminalOutput::whenChanged() {
  auto paf = kj::newPromiseAndFulfiller<void>();
  changed.add(kj::mv(paf.fulfiller));
  return kj::mv(paf.promise);
}

TerminalOutput::Cursor::Cursor(TerminalOutput& output)
    : output(output),
      position(kj::max(output.firstPosition,
                       output.nextPosition - kj::min(output.nextPosition, uint64_t(SCROLLBACK)))) {
  output.cursors.add(this);
}

TerminalOutput::Cursor::~Cursor() {
  kj::Vector<Cursor*> others;
  for (auto cursor : output.cursors) {
    if (cursor != this) others.add(cursor);
  }
  output.cursors = kj::mv(others);
}

kj::ArrayPtr<const kj::byte> TerminalOutput::Cursor::peek() const {
  if (unread() == 0 || isLost()) return nullptr;
  size_t block = (position - output.firstPosition) / BLOCK;
  size_t begin = (position - output.firstPosition) % BLOCK;
  return output.blocks[block].slice(begin, kj::min(size_t(BLOCK), begin + unread()));
}

}  // namespace sandbridge::localcloud::daemon
