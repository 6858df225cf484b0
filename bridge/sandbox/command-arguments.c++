#include "sandbox/command-arguments.h"

#include "base/error.h"
#include "base/json.h"

namespace sandbridge {

namespace {

// The kernel's limit for one argument (MAX_ARG_STRLEN), with its NUL; and something for the words
// that an argument is packed into.
constexpr size_t MAX_ARGUMENT = (128u << 10) - 64;
// Well below the 2 MiB that Linux gives to all arguments together.
constexpr size_t MAX_ARGUMENTS = 1u << 20;
constexpr size_t MAX_COUNT = 60000;

}  // namespace

void checkArgument(kj::StringPtr argument, kj::StringPtr what, size_t& total) {
  if (argument.findFirst('\0') != nullptr) {
    throwError(ErrorKind::INVALID_ARGUMENT, kj::str(what, " holds a NUL byte."));
  }
  if (!isValidUtf8(argument)) {
    throwError(ErrorKind::INVALID_ARGUMENT, kj::str(what, " is not valid UTF-8."));
  }
  total += argument.size() + 1;
  if (argument.size() >= MAX_ARGUMENT || total > MAX_ARGUMENTS) {
    throwError(ErrorKind::INVALID_ARGUMENT, kj::str(what,
                                                    " is too long: at most 128 KiB each and 1 MiB "
                                                    "together are possible. Put long text into "
                                                    "a file, or send it to standard input."));
  }
}

void checkCommand(const WorkspaceCommand& command, kj::StringPtr workdir) {
  if (command.argv.size() == 0 || command.argv[0].size() == 0) {
    throwError(ErrorKind::INVALID_ARGUMENT, "there is no command to run.");
  }
  if (command.argv.size() + command.environment.size() > MAX_COUNT) {
    throwError(ErrorKind::INVALID_ARGUMENT,
               kj::str("the command has more than ", MAX_COUNT, " arguments."));
  }
  size_t total = 0;
  checkArgument(workdir, "the working directory", total);
  for (auto& variable : command.environment) {
    if (variable.name.size() == 0 || variable.name[0] == '-' ||
        variable.name.findFirst('=') != nullptr) {
      throwError(ErrorKind::INVALID_ARGUMENT,
                 kj::str("\"", toValidUtf8(variable.name),
                         "\" cannot be the name of an environment variable."));
    }
    checkArgument(kj::str(variable.name, "=", variable.value), "an environment variable", total);
  }
  for (auto& arg : command.argv) checkArgument(arg, "an argument of the command", total);
}

void checkSignal(int number) {
  if (number < 1 || number > 64)
    throwError(ErrorKind::INVALID_ARGUMENT, kj::str(number, " is not a signal."));
}

}  // namespace sandbridge
