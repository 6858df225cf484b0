#pragma once
// One command: what it has printed so far, how it ended, and who reads that.

#include <sys/types.h>

#include "sandbox/helper/children.h"
#include "sandbox/helper/loop.h"
#include "sandbox/helper/output-copy.h"
#include "sandbox/helper/request.h"
#include "sandbox/helper/ring.h"

namespace sandbridge::helper {

class Operation final : public Handler {
 public:
  Operation(Loop& loop, Id id, uint64_t keeper, const Children& children);
  ~Operation() override;

  // Starts the command; `in` is its standard input. The directory has been entered. False when
  // there can be no more processes.
  bool start(const Request& request, char** variables, int in);

  // From now on `out` and `err`, pipes to the daemon, get the lines, from the given positions on;
  // who had them before gets no more. False when the output is not kept that far back: then
  // nothing has changed. `socket` leads to the `run` that waits.
  bool attach(const Request& request, Descriptor socket, Descriptor out, Descriptor err);

  void ready(int which, uint32_t events) override;
  // The command has ended, and is still a zombie.
  void exited(bool signaled, unsigned value);

  // Sends what the reader takes. Lines without output wait for some, or for the command's end, so
  // that a short command is told in one piece; with `late` they wait no longer.
  void send(bool late);
  // Whether lines wait for send(true).
  bool holdsBack() const { return held; }

  bool isRunning() const { return !hasStatus; }
  bool isOver() const { return hasStatus && out.eof && err.eof; }
  bool isRead() const { return socket.isOpen(); }
  size_t memory() const { return sizeof(*this) + out.ring.memory() + err.ring.memory(); }

  const Id id;
  pid_t pid = 0;
  int64_t endedAt = 0;  // ms; the keeper's
  Operation* next = nullptr;

 private:
  enum { OUT_PIPE, ERR_PIPE, OUT_SINK, ERR_SINK, SOCKET };

  struct Stream {
    Stream(Loop& loop, Handler& handler, int pipe, int sink)
        : pipe(loop, handler, pipe), sink(loop, handler, sink) {}
    Watched pipe;  // from the command
    Ring ring;
    bool eof = false;

    // The reader's part.
    Watched sink;  // to the daemon
    Position sent;
    bool endSent = false;
    char* pending = nullptr;  // half a write
    size_t pendingAt = 0, pendingSize = 0;
  };

  const uint64_t keeper;
  const Children& children;
  bool merge = false;
  Stream out, err;
  Watched socket;
  OutputCopy copy;
  bool hasStatus = false, signaled = false;
  unsigned value = 0;
  bool startSent = false, statusSent = false, held = false;
  uint64_t inputTaken = 0, inputTold = 0;

  void receive(Stream& stream);
  void hear();
  void listen(Stream& stream);
  // False when the reader has gone.
  bool flush(Stream& stream);
  size_t compose(Stream& stream, char* buffer);
  void detach();
};

}  // namespace sandbridge::helper
