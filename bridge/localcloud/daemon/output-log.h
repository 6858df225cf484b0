#pragma once
// What a process has printed: lines of text, as TensorLake's daemon sees them, in bounded memory.

#include <stdint.h>

#include <kj/async.h>
#include <kj/function.h>
#include <kj/string.h>
#include <kj/vector.h>

#include <deque>

namespace sandbridge::localcloud::daemon {

// Cuts a byte stream into lines the way TensorLake's daemon does: `\n` or `\r\n` ends a line and is lost, a partial line
// waits for its end, and a line that is not UTF-8 ends the stream.
class LineSplitter {
 public:
  // A line longer than this is cut: the one place where we cannot be as TensorLake's daemon, which would buffer it all.
  static constexpr size_t MAX_LINE = 16u << 20;

  explicit LineSplitter(size_t maxLine = MAX_LINE): maxLine(maxLine) {}

  // Calls `line` for each line that `bytes` completes. False when a line was not UTF-8: no more may follow.
  bool push(kj::ArrayPtr<const char> bytes, kj::FunctionParam<void(kj::String)> line);
  // The stream has ended: what is left is a line too.
  bool finish(kj::FunctionParam<void(kj::String)> line);

 private:
  size_t maxLine;
  kj::Vector<char> partial;

  bool cutLong(kj::FunctionParam<void(kj::String)>& line);
};

struct OutputLine {
  bool isError;  // stderr
  int64_t timestamp;
  kj::String text;
};

// The last lines, addressed by a number that only grows. Readers hold positions, not copies.
class OutputLog {
 public:
  // What is kept: older lines go when more than this has been printed, except while `hold` says that a reader wants them.
  static constexpr size_t KEPT_BYTES = 4u << 20;

  void add(OutputLine line);
  void end();  // nothing more will come
  bool ended() const { return isEnded; }

  uint64_t first() const { return firstPosition; }
  uint64_t next() const { return firstPosition + lines.size(); }
  const OutputLine& at(uint64_t position) const { return lines[position - firstPosition]; }
  size_t bytes() const { return totalBytes; }

  // Resolves at the next add() or end().
  kj::Promise<void> whenChanged();

  // Back-pressure of a run's own client: lines from `position` on are kept, and `whenReady` waits while too much of them is
  // unread. `nullptr` lets go.
  void hold(kj::Maybe<uint64_t> position);
  kj::Promise<void> whenReady();

 private:
  static constexpr size_t UNREAD_BYTES = 1u << 20;

  std::deque<OutputLine> lines;
  uint64_t firstPosition = 0;
  size_t totalBytes = 0;
  bool isEnded = false;
  kj::Maybe<uint64_t> held;
  size_t heldBytes = 0;  // of the lines at and after `held`
  kj::Vector<kj::Own<kj::PromiseFulfiller<void>>> changed;
  kj::Vector<kj::Own<kj::PromiseFulfiller<void>>> ready;

  static size_t costOf(const OutputLine& line);
  void trim();
};

}  // namespace sandbridge::localcloud::daemon
