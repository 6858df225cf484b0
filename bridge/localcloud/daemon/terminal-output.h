#pragma once
// What a terminal has shown: the last of its bytes, for clients that each read at their own pace.

#include <stdint.h>

#include <kj/array.h>
#include <kj/async.h>
#include <kj/vector.h>

#include <deque>

namespace sandbridge::localcloud::daemon {

// Bytes are addressed by a position that only grows.
class TerminalOutput {
 public:
  // What a new client is shown of the past.
  static constexpr size_t SCROLLBACK = 1u << 20;
  // How far a client may fall behind: as in the real daemon, whose queue holds 4096 reads of 4 KiB.
  static constexpr size_t MAX_LAG = 16u << 20;

  void add(kj::ArrayPtr<const kj::byte> bytes);
  void end();  // nothing more will come
  bool ended() const { return isEnded; }
  uint64_t next() const { return nextPosition; }

  // Resolves at the next add() or end().
  kj::Promise<void> whenChanged();

  // A reader, at first at the beginning of the scrollback. What it has not read is kept, within MAX_LAG.
  class Cursor {
   public:
    explicit Cursor(TerminalOutput& output);
    ~Cursor();
    KJ_DISALLOW_COPY(Cursor);

    uint64_t unread() const { return output.nextPosition - position; }
    // Bytes that it should have read are gone.
    bool isLost() const { return position < output.firstPosition; }
    // Some of the unread bytes, until the next add().
    kj::ArrayPtr<const kj::byte> peek() const;
    void advance(size_t bytes) { position += bytes; }

   private:
    friend class TerminalOutput;
    TerminalOutput& output;
    uint64_t position;
  };

 private:
  static constexpr size_t BLOCK = 16u << 10;

  std::deque<kj::Array<kj::byte>> blocks;  // all of BLOCK bytes
  uint64_t firstPosition = 0;              // of the first block
  uint64_t nextPosition = 0;
  bool isEnded = false;
  kj::Vector<Cursor*> cursors;
  kj::Vector<kj::Own<kj::PromiseFulfiller<void>>> changed;

  void trim();
  void tell();
};

}  // namespace sandbridge::localcloud::daemon
