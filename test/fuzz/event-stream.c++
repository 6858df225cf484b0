// What TensorLake streams while a command runs: text/event-stream bytes, cut by the network wherever it likes.

#include "fuzz.h"

#include "base/error.h"
#include "base/json.h"
#include "tensorlake/event-stream.h"
#include "tensorlake/messages.h"

namespace sandbridge {
namespace {

using fuzz::require;
using tensorlake::EventStreamParser;
using tensorlake::ProcessEvent;
using tensorlake::StreamEvent;

kj::Vector<StreamEvent> parseWhole(fuzz::Bytes bytes) {
  EventStreamParser parser;
  kj::Vector<StreamEvent> events;
  parser.feed(bytes, events);
  return events;
}

void requireSame(const kj::Vector<StreamEvent>& a, const kj::Vector<StreamEvent>& b, kj::StringPtr property) {
  require(a.size() == b.size(), property);
  for (auto i : kj::indices(a)) require(a[i].name == b[i].name && a[i].data == b[i].data, property);
}

// As a server would send it.
kj::String format(const kj::Vector<StreamEvent>& events) {
  kj::Vector<char> out;
  for (auto& event : events) {
    if (event.name.size() > 0) out.addAll(kj::str("event: ", event.name, "\n"));
    out.addAll("data: "_kj);
    for (char c : event.data) {
      out.add(c);
      if (c == '\n') out.addAll("data: "_kj);
    }
    out.addAll("\n\n"_kj);
  }
  return kj::heapString(out.asPtr());
}

void checkProcessEvent(const StreamEvent& event) {
  kj::Maybe<ProcessEvent> maybe;
  try {
    maybe = parseProcessEvent(event);
  } catch (kj::Exception& e) {
    fuzz::requireOurs(e);
    require(kindOf(e) == ErrorKind::INTERRUPTED, "an event that cannot be read leaves the command's outcome unknown");
    return;
  }
  KJ_IF_MAYBE (e, maybe) {
    require(isValidUtf8(e->line), "a line of output is valid UTF-8");
    if (e->kind == ProcessEvent::END_OF_LOG) return;
    auto parsed = tryParseJson(toValidUtf8(event.data));
    KJ_IF_MAYBE (json, parsed) {
      auto says = [&](kj::StringPtr name) { return getInt(*json, name).orDefault(-1) == e->value; };
      if (e->kind == ProcessEvent::EXITED) require(says("exit_code"), "an exit code is the one that was sent");
      if (e->kind == ProcessEvent::SIGNALED) {
        // Out of memory is death by SIGKILL.
        bool killed = e->value == 9 && getBool(*json, "oom_killed").orDefault(false);
        require(killed || says("signal"), "a signal is the one that was sent");
      }
      if (e->kind == ProcessEvent::STARTED) require(says("pid") && e->value > 0, "a pid is the one that was sent");
    } else {
      require(false, "only JSON says something about a process");
    }
  }
}

}  // namespace

void fuzz::test(Bytes bytes) {
  auto events = parseWhole(bytes);

  EventStreamParser parser;
  kj::Vector<StreamEvent> inPieces;
  fuzz::Pieces pieces(bytes);
  for (;;) {
    KJ_IF_MAYBE (piece, pieces.next()) {
      parser.feed(*piece, inPieces);
    } else {
      break;
    }
  }
  requireSame(events, inPieces, "events do not depend on where the stream is cut");
  requireSame(events, parseWhole(format(events).asBytes()), "events that are written again read the same");
  for (auto& event : events) checkProcessEvent(event);
}

}  // namespace sandbridge
