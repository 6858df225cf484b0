#pragma once
// One page of a text file, from a stream of any length, in bounded memory.

#include "tools/text.h"

#include <vector>

namespace sandbridge {

struct Page {
  uint64_t first = 1;       // the number of its first line
  std::vector<Text> lines;  // long ones cut
  uint64_t total = 0;       // lines of the file; when capped, up to the one that did not fit
  bool capped = false;      // by bytes
  bool more = false;        // there are lines behind the page
};

class Pager {
 public:
  // Lines `first` (from 1) to `first + limit - 1`, as far as their text, joined by newlines, fits into
  // `bytes`. The stream begins at line `streamStart`.
  Pager(uint64_t first, uint64_t limit, size_t bytes, uint64_t streamStart = 1);

  void feed(Bytes bytes);
  // Whether nothing that follows can change the page.
  bool isComplete() const { return page.capped; }
  // Call once, at the end of the stream.
  Page finish();

 private:
  Page page;
  uint64_t limit;
  size_t room;
  uint64_t number;  // of the line being read
  std::string line;
  bool lineBegun = false, afterCr = false, atStart;

  void endLine();
};

}  // namespace sandbridge
