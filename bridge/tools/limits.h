#pragma once
// How much a tool may answer. OpenCode cuts what a replaced tool returns at 2000 lines or 51200
// bytes, from the end, and keeps the rest on its own host. Its built-in tools may return more than
// that (2000 lines of a file plus a frame, a header plus 51200 bytes of output). Ours stay within
// the whole, so that an answer is never cut a second time.

#include <cstddef>
#include <cstdint>

namespace sandbridge {

// The whole answer of any tool.
constexpr size_t ANSWER_LINES = 2000;
constexpr size_t ANSWER_BYTES = 51200;

// read: lines of a file on one page. OpenCode's own is 2000, without the frame.
constexpr size_t READ_LINES_NATIVE = 2000;
constexpr size_t READ_LINES = 1980;
constexpr size_t READ_LINE_CHARS = 2000;
// Entries of a directory on one page, for the same reason.
constexpr size_t READ_ENTRIES = 1980;
// What instruction files near a file may add to an answer, all together.
constexpr size_t INSTRUCTIONS_BYTES = 16384;
constexpr size_t INSTRUCTIONS_LINES = 500;
// An image or PDF travels whole, base64 in a model's context: beyond this nobody is served.
constexpr uint64_t ATTACHMENT_BYTES = 20u << 20;
// A file up to this size comes whole with the answer that describes it; of a bigger one only the
// page.
constexpr uint64_t READ_INLINE_BYTES = 65536;

// edit, apply_patch: beyond this a file is not text that anybody edits by hand.
constexpr uint64_t EDIT_BYTES = 32u << 20;
// write: a bigger old file is replaced without showing what changed.
constexpr uint64_t DIFF_BYTES = 4u << 20;

// bash: the part of the output that user interfaces show, in UTF-16 units.
constexpr size_t PREVIEW_CHARS = 30000;
// bash: a command line that still fits into one argument of a program (128 KiB on Linux), with room
// for quoting.
constexpr size_t COMMAND_BYTES = 96u << 10;
constexpr uint64_t DEFAULT_TIMEOUT_MS = 120000;

// glob, grep.
constexpr size_t SEARCH_RESULTS = 100;
constexpr size_t GREP_LINE_CHARS = 2000;

// Paths: a longer one names nothing on Linux, and would not fit into a script's arguments.
constexpr size_t PATH_BYTES = 8192;

// Scripts that only look must answer by then (a hung network file system, a FIFO).
constexpr unsigned SCRIPT_SECONDS = 60;

}  // namespace sandbridge
