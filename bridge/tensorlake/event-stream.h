#pragma once
// The text/event-stream format, as a pure unit: bytes in, events out.

#include <kj/common.h>
#include <kj/string.h>
#include <kj/vector.h>

namespace sandbridge::tensorlake {

struct StreamEvent {
  kj::String name;  // of its `event:` line, else empty
  kj::String data;  // its `data:` lines, joined by newlines
};

class EventStreamParser {
 public:
  // The longest line accepted. A line of a program's output travels in one event: 64 KiB of it in
  // base64 need less.
  static constexpr size_t MAX_LINE = 4u << 20;

  // Takes bytes cut anywhere and appends the events that they complete. Throws FAILED for an event
  // that is too long.
  void feed(kj::ArrayPtr<const kj::byte> bytes, kj::Vector<StreamEvent>& events);

 private:
  kj::Vector<char> line;
  kj::Vector<char> data;
  kj::String name;
  bool hasData = false;
  bool afterCarriageReturn = false;
  bool atStart = true;

  void endLine(kj::Vector<StreamEvent>& events);
};

}  // namespace sandbridge::tensorlake
