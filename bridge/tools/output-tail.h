#pragma once
// What is kept of a command's output, in bounded memory: its end, and how much there was.

#include "tools/text.h"

#include <string>

namespace sandbridge {

class OutputTail {
 public:
  void append(Bytes bytes);

  uint64_t total() const { return size; }
  // Whether the whole output is still there.
  bool isWhole() const { return size == kept.size(); }
  Bytes bytes() const { return kj::arrayPtr(kept.data(), kept.size()).asBytes(); }
  // Takes `suffix` off the end, if it is there.
  bool removeSuffix(std::string_view suffix);

  // The end as text, valid UTF-8 inside, beginning at a character; without a byte order mark at the output's start
  // (OpenCode 1.18.33: its decoder takes that off).
  Text text() const;

 private:
  std::string kept;
  uint64_t size = 0;
};

// The end of `text` within so many lines and UTF-8 bytes, whole lines if at least one fits. A final
// newline counts as an (empty) line.
Text tailWithin(TextView text, size_t lines, size_t bytes);

}  // namespace sandbridge
