#pragma once
// What the sub-commands have in common: how they are parsed, how they end, and where things are by default.

#include <kj/arena.h>
#include <kj/async-io.h>
#include <kj/main.h>

namespace sandbridge {

// Exit codes, where a command has none of its own (`exec` passes on the remote one).
constexpr int EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2;

// kj's context ends the process with 1 for a usage error; ours says 2, and returns to main() for every end.
class CommandLine final : public kj::ProcessContext {
 public:
  explicit CommandLine(kj::StringPtr programName): programName(programName) {}

  int exitCode = EXIT_OK;
  kj::Arena arena;  // holds the commands' options while the command runs

  struct Exit {};  // thrown by exit(); main() catches it

  kj::StringPtr getProgramName() override { return programName; }
  KJ_NORETURN(void exit() override);
  void warning(kj::StringPtr message) override;
  void error(kj::StringPtr message) override;
  KJ_NORETURN(void exitError(kj::StringPtr message) override);
  KJ_NORETURN(void exitInfo(kj::StringPtr message) override);
  void increaseLoggingVerbosity() override;

 private:
  kj::StringPtr programName;
};

// "sandbridge 0.1.0"
kj::StringPtr versionText();
kj::StringPtr versionNumber();

// `$XDG_STATE_HOME/sandbridge`, or `~/.local/state/sandbridge`.
kj::String stateDirectory();

// Of this process's environment; none when unset or empty.
kj::Maybe<kj::StringPtr> environment(kj::StringPtr name);

// Writes to standard output, all of it or an exception. For the short answers of commands.
void printOut(kj::StringPtr text);

// Resolves with the number of the signal that asks this process to end. Those signals must have been captured.
kj::Promise<int> onEndSignal(kj::UnixEventPort& port);
void captureEndSignals();

// The commands.
kj::MainFunc newServeCommand(CommandLine& commandLine);
kj::MainFunc newLocalCloudCommand(CommandLine& commandLine);
kj::MainFunc newExecCommand(CommandLine& commandLine);
kj::MainFunc newToolCommand(CommandLine& commandLine);
kj::MainFunc newSessionsCommand(CommandLine& commandLine);
kj::MainFunc newSuspendCommand(CommandLine& commandLine);
kj::MainFunc newResumeCommand(CommandLine& commandLine);
kj::MainFunc newDeleteCommand(CommandLine& commandLine);

}  // namespace sandbridge
