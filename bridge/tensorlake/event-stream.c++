#include "tensorlake/event-stream.h"

#include "base/error.h"

namespace sandbridge::tensorlake {

void EventStreamParser::feed(kj::ArrayPtr<const kj::byte> bytes, kj::Vector<StreamEvent>& events) {
  for (size_t i = 0; i < bytes.size();) {
    char c = static_cast<char>(bytes[i]);
    if (afterCarriageReturn) {
      afterCarriageReturn = false;
      if (c == '\n') {
        ++i;
        continue;
      }
    }
    if (c == '\n' || c == '\r') {
      afterCarriageReturn = c == '\r';
      ++i;
      endLine(events);
      continue;
    }
    size_t end = i + 1;
    while (end < bytes.size() && bytes[end] != '\n' && bytes[end] != '\r') ++end;
    if (line.size() + (end - i) > MAX_LINE) {
      throwError(ErrorKind::FAILED, "TensorLake sent an event that is longer than 4 MiB.");
    }
    line.addAll(bytes.slice(i, end).asChars());
    i = end;
  }
}

void EventStreamParser::endLine(kj::Vector<StreamEvent>& events) {
  kj::ArrayPtr<const char> text = line.asPtr();
  if (atStart) {
    atStart = false;
    if (text.size() >= 3 && kj::arrayPtr("\xef\xbb\xbf", 3) == text.slice(0, 3)) {
      text = text.slice(3, text.size());
    }
  }

  if (text.size() == 0) {
    if (hasData) {
      events.add(StreamEvent{kj::mv(name), kj::heapString(data.asPtr())});
    }
    name = kj::String();
    data.clear();
    hasData = false;
  } else if (text[0] != ':') {
    size_t colon = 0;
    while (colon < text.size() && text[colon] != ':') ++colon;
    auto field = text.slice(0, colon);
    auto value = text.slice(kj::min(colon + 1, text.size()), text.size());
    if (value.size() > 0 && value[0] == ' ') value = value.slice(1, value.size());
    if (field == "data"_kj.asArray()) {
      if (data.size() + value.size() > MAX_LINE) {
        throwError(ErrorKind::FAILED, "TensorLake sent an event that is longer than 4 MiB.");
      }
      if (hasData) data.add('\n');
      data.addAll(value);
      hasData = true;
    } else if (field == "event"_kj.asArray()) {
      name = kj::heapString(value);
    }
  }
  line.clear();
}

}  // namespace sandbridge::tensorlake
