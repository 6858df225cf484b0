#pragma once
// What `helper run` asks of the keeper, as the bridge puts it into the argument list:
//
//   [KEY[=VALUE]]... -- PROGRAM [ARGUMENT]...
//
//   id=HEX        32 hexadecimal digits, lower case: the operation. One id is started once.
//   dir=PATH      working directory
//   make          make it if need be
//   merge         standard error goes where standard output goes
//   stdin         the command gets the standard input of `run`; else it is at its end
//   shell         PROGRAM is not looked at: /bin/bash, else the bash in PATH, else /bin/sh
//   env=NAME=TEXT one variable more (any number of these)
//   join          never start it: only give what it has printed and its end
//   only=HEX      16 digits: start it only if this is the keeper with that number
//   out=N:BYTE    of a stream of which the caller has everything before BYTE: N is the next line's
//   err=N:BYTE    number
//   copy=PATH     a file that gets a copy of standard output once that has more than
//   copy-lines=N  so many lines, or
//   copy-bytes=N  so many bytes; it never grows beyond
//   copy-limit=N  so many bytes.
//   copy-notice=T is printed at the end of the output if the copy is incomplete
//
// Pure: no system calls in here.

#include <stddef.h>
#include <stdint.h>

namespace sandbridge::helper {

struct Id {
  uint64_t high = 0, low = 0;
  bool operator==(const Id& other) const { return high == other.high && low == other.low; }
};

struct Position {
  uint64_t line = 0, byte = 0;
};

struct CopyRequest {
  const char* path = nullptr;  // null: no copy
  uint64_t lines = 0, bytes = 0, limit = 0;
  const char* notice = "";
};

constexpr size_t MAX_WORDS = 1u << 16;
constexpr size_t MAX_REQUEST = (1u << 20) + (512u << 10);
// With `stdin`, so many bytes are taken from the daemon before the command has read them. Who sends no more never makes the daemon
// wait for the command: TensorLake's proxy gives a request up after a minute.
constexpr size_t INPUT_WINDOW = 1u << 20;
// The keeper holds the output at least up to here when a copy is begun (ring.h).
constexpr uint64_t MAX_COPY_BYTES = 512u << 10;

struct Request {
  Id id;
  const char* dir = nullptr;
  bool make = false, merge = false, keepStdin = false, shell = false, join = false;
  bool hasOnly = false;
  uint64_t only = 0;
  Position out, err;
  CopyRequest copy;
  // Into the list of words that was parsed.
  size_t variableCount = 0;
  char** program = nullptr;  // ends with a null pointer
};

// `words` holds `count` words and a null pointer behind them. The variables are moved to its front,
// without their `env=`. Returns what is wrong, or null.
const char* parseRequest(char** words, size_t count, Request& request);

// Splits a block of `size` bytes, words that each end with NUL, into `words` (room for MAX_WORDS +
// 1). Returns how many there are, or -1 when it is malformed.
long splitWords(char* block, size_t size, char** words);

}  // namespace sandbridge::helper
