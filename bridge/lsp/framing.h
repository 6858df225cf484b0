#pragma once
// How messages of the Language Server Protocol stand in a stream: a header with the content's length, an
// empty line, and JSON text.

#include <kj/array.h>
#include <kj/string.h>
#include <kj/vector.h>

namespace sandbridge::lsp {

// Servers' headers are two short lines, and a message is a list of what is wrong with one file.
constexpr size_t MAX_HEADER = 4096;
constexpr size_t MAX_MESSAGE = 8u << 20;

// Takes messages out of a server's output, cut however it comes.
class MessageParser {
 public:
  // Adds to `messages` what is complete now. Throws FAILED for what is no message and for one that is too
  // long; the parser is of no use then. Holds at most one message and one header.
  void feed(kj::ArrayPtr<const kj::byte> bytes, kj::Vector<kj::String>& messages);

 private:
  kj::Vector<char> header;
  kj::Vector<char> content;
  kj::Maybe<size_t> length;  // of the content, once the header is complete

  size_t readLength() const;
};

// One message with its header.
kj::String frame(kj::StringPtr json);

}  // namespace sandbridge::lsp
