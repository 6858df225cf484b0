#pragma once
// How a command crosses TensorLake's process API, which carries lines of UTF-8 text, loses trailing
// newlines, and closes the pipe of a program that prints anything else. The helper (helper/main.c++)
// runs the command in a process group of its own and prints its output, as it comes, as lines:
//
//   p PID [K]   first, on stdout: the process group, and the number of the keeper
//   w WORD      instead of all else: the working directory is missing, a file, or denied
//   d N BASE64  the next bytes of the stream on which the line stands; N counts from 0
//   e N         the end of that stream, after N lines
//   i N         on stdout, at any time: the command has taken N bytes of its standard input, or more than
//               any has, when it has closed it
//   b           on stdout, at any time before x or k: something runs on in the background of the
//               sandbox, of this command or an earlier one
//   x CODE      last, on stdout: the command's exit code; or k SIGNAL
//   n, r, f, l  instead of all else, or, for l, at any time: see helper/run.h
//
// Where an image cannot run the helper, a shell script says the same, slower. It cannot tell a
// signal from an exit code above 128, nor what has been taken of the input, nor be asked again. TensorLake ends all that a run has started
// when the run ends; what a command leaves in the background therefore keeps the script, silent, from
// its end: what is in its process group, and what has left that but still has SANDBRIDGE_COMMAND in
// its environment. (With the helper nothing has to be found: the keeper is a process of its own.)
//
// Hostile text travels as arguments, never as script text.

#include "sandbox/helper-requests.h"
#include "tensorlake/client.h"
#include "tools/workspace.h"

namespace sandbridge {

// Throws INVALID_ARGUMENT for what cannot be an argument list. `workdir` is absolute; when it is
// `root` it is made if need be.
tensorlake::ProcessRequest commandRequest(const WorkspaceCommand& command, kj::StringPtr workdir,
                                          kj::StringPtr root);

// Runs a script in `root` with its standard output and error in base64, any number of lines, and as
// the last line of stdout `x CODE`, or `x fail` when base64 itself failed.
tensorlake::ProcessRequest scriptRequest(kj::StringPtr script, kj::ArrayPtr<const kj::String> args,
                                         kj::StringPtr root);

// Sends a signal to a process group.
tensorlake::ProcessRequest signalRequest(uint32_t group, int number);
// SIGTERM, and SIGKILL to what is left 3 s later.
tensorlake::ProcessRequest endRequest(uint32_t group);

// Turns the lines back into bytes.
class CommandOutput {
 public:
  enum Kind {
    NOTHING,
    STARTED,
    NO_WORKDIR,
    INPUT_TAKEN,
    STDOUT,
    STDERR,
    ENDED,
    NO_KEEPER,    // n
    NOT_KEPT,     // r
    NOT_STARTED,  // f
    KEEPER_DIED,  // l
  };
  struct Step {
    Kind kind = NOTHING;
    kj::Array<kj::byte> bytes;  // STDOUT, STDERR
    kj::String word;            // NO_WORKDIR: missing, file, denied
  };

  explicit CommandOutput(bool merged) : merged(merged) {}

  // Throws INTERRUPTED when TensorLake has lost a line; lines that come twice are skipped.
  Step take(const tensorlake::ProcessEvent& event);

  uint32_t group() const { return pid; }
  // The number of the keeper; none from a script.
  kj::Maybe<kj::StringPtr> keeper() const;
  // What comes next, for a repeated request.
  OutputPosition outPosition() const { return {out.next, out.bytes}; }
  OutputPosition errPosition() const { return {err.next, err.bytes}; }
  // Bytes of standard input that the command has taken, as far as it was told.
  uint64_t inputTaken() const { return taken; }
  // Whether everything has come: both streams to their ends, and the status.
  bool complete() const { return ended && (out.ended) && (merged || err.ended); }
  kj::Maybe<ExitStatus> status() const;
  // Whether something ran on in the background of the sandbox when the command ended.
  bool leftBehind() const { return left; }
  // What the script itself, not the command, said to its standard error.
  kj::StringPtr complaint() const { return said; }

 private:
  struct Stream {
    uint64_t next = 0;
    uint64_t bytes = 0;
    bool ended = false;
  };

  bool merged;
  bool ended = false;
  bool left = false;
  uint32_t pid = 0;
  uint64_t taken = 0;
  ExitStatus exit;
  Stream out, err;
  kj::String said;
  kj::String keeperNumber;
};

}  // namespace sandbridge
