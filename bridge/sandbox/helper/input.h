#pragma once
// A command's standard input: `run` takes it from the daemon and passes it on as the command reads.

#include <stdint.h>

#include "sandbox/helper/descriptor.h"

namespace sandbridge::helper {

class Input {
 public:
  // The command's end, after this. False when there can be no more descriptors.
  bool open(Descriptor& forCommand);

  // Passes input on until the keeper says something, or ends; tells it over `socket` how many bytes the command has taken.
  void passOn(int socket);
  // Whether it has told anything.
  bool hasTold() const { return told > 0; }

 private:
  Descriptor to;
  bool atEnd = false;
  uint64_t received = 0, taken = 0, told = 0;

  void receive();
  void give();
  void tell(int socket);
  void stop();
};

}  // namespace sandbridge::helper
