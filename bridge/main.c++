// The commands of the binary, by name.

#include "command-line.h"

#include "base/error.h"
#include "base/log.h"

#include <exception>
#include <kj/exception.h>
#include <kj/vector.h>
#include <signal.h>

namespace sandbridge {
namespace {

kj::MainFunc newMain(CommandLine& commandLine) {
  using Command = kj::MainFunc (*)(CommandLine&);
  kj::MainBuilder builder(commandLine, versionText(),
      "Lets a coding agent work in a sandbox as if it were the local machine. `sandbridge serve` is the bridge; "
      "the other commands are its clients.");
  auto add = [&](kj::StringPtr name, Command command, kj::StringPtr help) {
    builder.addSubCommand(name, [&commandLine, command]() { return command(commandLine); }, help);
  };
  add("serve", newServeCommand, "run the bridge");
  add("exec", newExecCommand, "run a command in a session's sandbox");
  add("tool", newToolCommand, "call one tool in a session's sandbox");
  add("sessions", newSessionsCommand, "list the sessions that have a sandbox");
  add("suspend", newSuspendCommand, "freeze a session's sandbox");
  add("resume", newResumeCommand, "make a session's sandbox run");
  add("delete", newDeleteCommand, "delete a session's sandbox");
  add("local-cloud", newLocalCloudCommand, "run only the TensorLake-compatible server");
  return builder.build();
}

int run(int argc, char** argv) {
  // A peer or a pipe that is gone is an error of that write.
  signal(SIGPIPE, SIG_IGN);
  KjLogRedirect redirect;
  CommandLine commandLine("sandbridge");
  kj::Vector<kj::StringPtr> words;
  for (int i = 1; i < argc; ++i) words.add(argv[i]);
  try {
    newMain(commandLine)(commandLine.getProgramName(), words);
  } catch (CommandLine::Exit&) {
    // It has said what there was to say.
  } catch (kj::Exception& e) {
    commandLine.error(kj::str("sandbridge: ", textOf(e)));
  } catch (std::exception& e) {
    commandLine.error(kj::str("sandbridge: ", e.what()));
  }
  return commandLine.exitCode;
}

}  // namespace
}  // namespace sandbridge

int main(int argc, char** argv) {
  return sandbridge::run(argc, argv);
}
