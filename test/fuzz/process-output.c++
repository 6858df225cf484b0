// What a command prints: the daemon cuts it into lines, and the bridge reads its script's frames from them.

#include "fuzz.h"

#include "base/error.h"
#include "base/json.h"
#include "localcloud/daemon/output-log.h"
#include "sandbox/command-script.h"

#include <kj/debug.h>
#include <kj/encoding.h>

namespace sandbridge {
namespace {

using fuzz::require;
using localcloud::daemon::LineSplitter;
using tensorlake::ProcessEvent;

// Short, so that small inputs reach it.
constexpr size_t MAX_LINE = 24;

struct Lines {
  kj::Vector<kj::String> lines;
  bool isText = true;

  void add(kj::String line) {
    require(isValidUtf8(line) && line.findFirst('\n') == nullptr, "a line is one line of valid UTF-8");
    lines.add(kj::mv(line));
  }
  bool operator==(const Lines& other) const {
    return isText == other.isText && kj::strArray(lines, "\n") == kj::strArray(other.lines, "\n") &&
           lines.size() == other.lines.size();
  }
};

Lines split(fuzz::Bytes bytes, size_t maxLine, bool whole) {
  Lines result;
  LineSplitter splitter(maxLine);
  auto add = [&](kj::String line) {
    require(line.size() <= maxLine, "a line is not longer than it may be");
    result.add(kj::mv(line));
  };
  auto push = [&](fuzz::Bytes piece) {
    if (result.isText) result.isText = splitter.push(piece.asChars(), add);
  };
  if (whole) {
    push(bytes);
  } else {
    fuzz::Pieces pieces(bytes);
    for (;;) {
      KJ_IF_MAYBE (piece, pieces.next()) {
        push(*piece);
      } else {
        break;
      }
    }
  }
  if (result.isText) result.isText = splitter.finish(add);
  return result;
}

ProcessEvent lineOf(bool isError, kj::StringPtr line) {
  return {isError ? ProcessEvent::STDERR_LINE : ProcessEvent::STDOUT_LINE, kj::heapString(line)};
}

// Lines of anybody.
void takeHostile(const Lines& lines) {
  for (bool merged : {true, false}) {
    CommandOutput output(merged);
    bool ended = false;
    try {
      for (auto i : kj::indices(lines.lines)) {
        auto step = output.take(lineOf(!merged && i % 3 == 2, lines.lines[i]));
        ended = ended || step.kind == CommandOutput::ENDED;
        require(output.group() != 1 && output.group() <= 0x7fffffff, "a process group is the command's own");
      }
    } catch (kj::Exception& e) {
      fuzz::requireOurs(e);
      require(kindOf(e) == ErrorKind::INTERRUPTED, "output that got lost leaves the command's outcome unknown");
    }
    require((output.status() != nullptr) == ended, "a status is what the script said at its end");
    require(!output.complete() || ended, "output is not complete without a status");
    require(output.complaint().size() <= 8192 && isValidUtf8(output.complaint()), "a complaint is short and valid UTF-8");
    KJ_IF_MAYBE (status, output.status()) {
      require(status->value <= 255, "a status is one that a process can have");
    }
  }
}

// What the script would make of these bytes, some lines coming twice as after a replay.
void takeOwn(fuzz::Bytes bytes) {
  CommandOutput output(true);
  kj::Vector<kj::byte> received;
  auto take = [&](kj::StringPtr line) {
    for (unsigned times = 0; times <= line.size() % 2; times++) {
      auto step = output.take(lineOf(false, line));
      if (step.kind == CommandOutput::STDOUT) received.addAll(step.bytes);
    }
  };
  take("p 1234");
  uint64_t n = 0;
  fuzz::Pieces pieces(bytes);
  for (;;) {
    KJ_IF_MAYBE (piece, pieces.next()) {
      take(kj::str("d ", n++, " ", kj::encodeBase64(*piece)));
    } else {
      break;
    }
  }
  require(!output.complete(), "output is not complete before its end");
  take(kj::str("e ", n));
  take(kj::str("x ", bytes.size() % 256));
  require(output.complete() && output.group() == 1234, "the whole output is complete");
  require(KJ_ASSERT_NONNULL(output.status()).value == bytes.size() % 256, "the exit code is the command's");
  require(received.asPtr() == bytes, "the command's bytes come back");
}

}  // namespace

void fuzz::test(Bytes bytes) {
  fuzz::require(split(bytes, MAX_LINE, true) == split(bytes, MAX_LINE, false), "lines do not depend on where the output is cut");
  auto lines = split(bytes, 1u << 20, true);
  fuzz::require(lines == split(bytes, 1u << 20, false), "lines do not depend on where the output is cut");
  takeHostile(lines);
  takeOwn(bytes);
}

}  // namespace sandbridge
