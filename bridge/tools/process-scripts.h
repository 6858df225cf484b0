#pragma once
// What `process` does in the sandbox: shell scripts over a directory in which each background process has a folder of its
// number. All that is known of a process is there, so that it outlives calls, OpenCode and the bridge.
//
//   command, workdir, started    what, where, when (seconds since 1970)
//   keeper                       PID START GROUP of the shell that waits for the command: it runs while such a process does
//   in                           a FIFO, the command's standard input; `holder` is the process that keeps it open
//   out.N                        its output from byte N on, both streams; the oldest part goes when there is more than 16 MiB
//   status                       the exit code, as a shell says it, once it has ended
//
// Each takes one round trip, and prints what parseProcessReport() reads.

#include "tools/tool.h"

#include <string>
#include <vector>

namespace sandbridge {

// Ended processes beyond this many are forgotten, the oldest first; of running ones there may be as many.
constexpr unsigned MAX_PROCESSES = 64;
// Bytes of output in one answer.
constexpr uint64_t PROCESS_OUTPUT = 32768;

// Arguments, by number, and what they do:
enum class ProcessScript {
  START,   // 1 working directory, 2 command, 3 ms to wait for its end
  OUTPUT,  // 1 number, 2 first byte or "" for the last ones, 3 ms to wait for more, or for its end
  INPUT,   // 1 number, 2 text, 3 "close" or "", 4 ms to wait for output
  KILL,    // 1 number. SIGTERM to the process group, and SIGKILL to what is left 3 s later
  LIST,
  PORTS,   // tells of no process
};

// Exit codes beside 0.
enum ProcessRefusal : unsigned {
  NO_PROCESS_DIRECTORY = 20,
  NO_PROCESS_WORKDIR = 21,
  NO_PROCESS_GROUP = 22,
  TOO_MANY_PROCESSES = 23,
  NO_SUCH_PROCESS = 24,
  NO_PROCESS_INPUT = 25,  // it has ended, its input is closed, or it does not read
};

kj::Promise<Workspace::Captured> runProcessScript(ToolContext& context, ProcessScript script,
                                                  kj::Array<kj::String> args);

struct ProcessReport {
  struct Process {
    uint64_t number = 0;
    enum State { RUNNING, ENDED, LOST } state = LOST;
    unsigned code = 0;       // of an ENDED one
    uint64_t begin = 0;      // the first byte of output that is kept
    uint64_t from = 0;       // where `output` begins
    uint64_t end = 0;        // all there is
    uint64_t started = 0;    // seconds since 1970
    std::string command, workdir, output;
  };
  std::vector<Process> processes;
  std::vector<uint16_t> ports;  // that anything in the sandbox listens on
};

// Throws a FAILED error for what is no report.
ProcessReport parseProcessReport(std::string_view text);

}  // namespace sandbridge
