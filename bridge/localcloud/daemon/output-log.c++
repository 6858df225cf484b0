#include "output-log.h"

#include <string.h>

#include "base/json.h"

namespace sandbridge::localcloud::daemon {

namespace {

// Without its line end, if it is text.
kj::Maybe<kj::String> toLine(kj::ArrayPtr<const char> bytes, bool ended) {
  if (ended && bytes.size() > 0 && bytes.back() == '\r') {
    bytes = bytes.slice(0, bytes.size() - 1);
  }
  if (!isValidUtf8(bytes)) return nullptr;
  return kj::heapString(bytes);
}

}  // namespace

bool LineSplitter::cutLong(kj::FunctionParam<void(kj::String)>& line) {
  while (partial.size() > maxLine) {
    // Not inside a character.
    size_t cut = maxLine;
    while (cut > maxLine - 4 && (partial[cut] & 0xc0) == 0x80) cut--;
    KJ_IF_MAYBE (text, toLine(partial.asPtr().slice(0, cut), false)) {
      line(kj::mv(*text));
    } else {
      return false;
    }
    kj::Vector<char> rest;
    rest.addAll(partial.asPtr().slice(cut, partial.size()));
    partial = kj::mv(rest);
  }
  return true;
}

bool LineSplitter::push(kj::ArrayPtr<const char> bytes,
                        kj::FunctionParam<void(kj::String)> line) {
  while (bytes.size() > 0) {
    auto newline = static_cast<const char*>(memchr(bytes.begin(), '\n', bytes.size()));
    if (newline == nullptr) {
      partial.addAll(bytes);
      return cutLong(line);
    }
    auto head = bytes.slice(0, newline - bytes.begin());
    bytes = bytes.slice(head.size() + 1, bytes.size());
    kj::Maybe<kj::String> text;
    if (partial.size() == 0 && head.size() <= maxLine) {
      text = toLine(head, true);
    } else {
      partial.addAll(head);
      if (!cutLong(line)) return false;
      text = toLine(partial, true);
      partial.clear();
    }
    KJ_IF_MAYBE (t, text) {
      line(kj::mv(*t));
    } else {
      return false;
    }
  }
  return true;
}

bool LineSplitter::finish(kj::FunctionParam<void(kj::String)> line) {
  if (partial.size() == 0) return true;
  auto text = toLine(partial, false);
  partial.clear();
  KJ_IF_MAYBE (t, text) {
    line(kj::mv(*t));
    return true;
  }
  return false;
}

size_t OutputLog::costOf(const OutputLine& line) { return line.text.size() + 64; }

void OutputLog::add(OutputLine line) {
  size_t cost = costOf(line);
  lines.push_back(kj::mv(line));
  totalBytes += cost;
  if (held != nullptr) heldBytes += cost;
  trim();
  for (auto& waiter : changed) waiter->fulfill();
  changed.clear();
}

void OutputLog::end() {
  isEnded = true;
  for (auto& waiter : changed) waiter->fulfill();
  changed.clear();
}

void OutputLog::trim() {
  while (totalBytes > KEPT_BYTES && lines.size() > 1) {
    KJ_IF_MAYBE (position, held) {
      if (firstPosition >= *position) return;
    }
    totalBytes -= costOf(lines.front());
    lines.pop_front();
    firstPosition++;
  }
}

kj::Promise<void> OutputLog::whenChanged() {
  auto paf = kj::newPromiseAndFulfiller<void>();
  changed.add(kj::mv(paf.fulfiller));
  return kj::mv(paf.promise);
}

void OutputLog::hold(kj::Maybe<uint64_t> position) {
  held = position;
  heldBytes = 0;
  KJ_IF_MAYBE (p, held) {
    for (uint64_t i = kj::max(*p, firstPosition); i < next(); i++) heldBytes += costOf(at(i));
  }
  trim();
  if (held == nullptr || heldBytes <= UNREAD_BYTES) {
    for (auto& waiter : ready) waiter->fulfill();
    ready.clear();
  }
}

kj::Promise<void> OutputLog::whenReady() {
  if (held == nullptr || heldBytes <= UNREAD_BYTES) return kj::READY_NOW;
  auto paf = kj::newPromiseAndFulfiller<void>();
  ready.add(kj::mv(paf.fulfiller));
  return kj::mv(paf.promise);
}

}  // namespace sandbridge::localcloud::daemon
