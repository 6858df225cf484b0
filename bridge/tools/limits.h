#pragma once
// How much a tool answers: OpenCode 1.18.33's own limits, so that an answer is cut where its tools cut.

#include <cstddef>
#include <cstdint>

namespace sandbridge {

// bash: the end of the output; what says that it was cut, and how it ended, comes on top.
constexpr size_t OUTPUT_LINES = 2000;
constexpr size_t OUTPUT_BYTES = 51200;

// read: lines or entries on one page, unless asked for otherwise, and the text of a page; line numbers
// and the frame come on top.
constexpr size_t READ_LINES = 2000;
constexpr size_t READ_BYTES = 51200;
constexpr size_t READ_LINE_CHARS = 2000;
// Our own bounds, where OpenCode has none: more lines than READ_BYTES can hold, a directory's page, and what
// instruction files near a file may add to an answer, all together.
constexpr size_t READ_MOST_LINES = 60000;
constexpr size_t READ_ENTRIES_BYTES = 1u << 20;
constexpr size_t INSTRUCTIONS_BYTES = 131072;
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

// webfetch: a page, and how long it is waited for. The limit of redirects is our own; it is browsers'.
constexpr size_t PAGE_BYTES = 5u << 20;
constexpr double FETCH_SECONDS = 30, FETCH_MOST_SECONDS = 120;
constexpr unsigned FETCH_REDIRECTS = 20;
// Our own bound: an address that still fits into one argument of a program.
constexpr size_t URL_BYTES = 32u << 10;

// websearch: how long an answer is waited for. The bound of a query is our own.
constexpr double SEARCH_SECONDS = 25;
constexpr size_t QUERY_BYTES = 8192;

// glob, grep.
constexpr size_t SEARCH_RESULTS = 100;
constexpr size_t GREP_LINE_CHARS = 2000;

// Paths: a longer one names nothing on Linux, and would not fit into a script's arguments.
constexpr size_t PATH_BYTES = 8192;

// Scripts that only look must answer by then (a hung network file system, a FIFO).
constexpr unsigned SCRIPT_SECONDS = 60;

}  // namespace sandbridge
