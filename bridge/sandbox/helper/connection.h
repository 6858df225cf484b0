#pragma once
// A `run` whose request is still coming.

#include "sandbox/helper/loop.h"
#include "sandbox/helper/request.h"

namespace sandbridge::helper {

class Connection final : public Handler {
 public:
  Connection(Loop& loop, Descriptor socket);
  ~Connection() override;

  void ready(int which, uint32_t events) override;

  enum State { COMING, WHOLE, BROKEN };
  State state = COMING;

  // Once it is WHOLE: the words, NUL after each, and the standard streams of `run`.
  char* block = nullptr;
  size_t size = 0;
  Descriptor streams[3];
  Watched socket;
  Connection* next = nullptr;

 private:
  size_t got = 0;
  bool hasHeader = false;

  bool receiveHeader();
};

}  // namespace sandbridge::helper
