#include "command-line.h"

#include "base/error.h"

#include <errno.h>
#include <kj/async-unix.h>
#include <kj/debug.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef SANDBRIDGE_VERSION
#error "the build sets SANDBRIDGE_VERSION"
#endif

namespace sandbridge {
namespace {

// Standard error is where the trouble is told; there is nowhere to tell that it failed.
void writeError(kj::StringPtr text) {
  while (text.size() > 0) {
    auto n = write(STDERR_FILENO, text.begin(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text = text.slice(n);
  }
}

}  // namespace

void CommandLine::exit() {
  throw Exit();
}

void CommandLine::warning(kj::StringPtr message) {
  writeError(kj::str(message, message.endsWith("\n") ? "" : "\n"));
}

void CommandLine::error(kj::StringPtr message) {
  exitCode = EXIT_FAILED;
  warning(message);
}

void CommandLine::exitError(kj::StringPtr message) {
  warning(message);
  exitCode = EXIT_USAGE;
  throw Exit();
}

void CommandLine::exitInfo(kj::StringPtr message) {
  printOut(kj::str(message, message.endsWith("\n") ? "" : "\n"));
  throw Exit();
}

void CommandLine::increaseLoggingVerbosity() {
  kj::_::Debug::setLogLevel(kj::LogSeverity::INFO);
}

kj::StringPtr versionNumber() {
  return SANDBRIDGE_VERSION;
}

kj::StringPtr versionText() {
  return "sandbridge " SANDBRIDGE_VERSION;
}

kj::Maybe<kj::StringPtr> environment(kj::StringPtr name) {
  auto value = getenv(name.cStr());
  if (value == nullptr || *value == '\0') return nullptr;
  return kj::StringPtr(value);
}

kj::String stateDirectory() {
  KJ_IF_MAYBE(state, environment("XDG_STATE_HOME")) {
    if (state->startsWith("/")) return kj::str(*state, "/sandbridge");
  }
  KJ_IF_MAYBE(home, environment("HOME")) {
    return kj::str(*home, "/.local/state/sandbridge");
  }
  auto user = getpwuid(getuid());
  if (user == nullptr) throwError(ErrorKind::FAILED, "HOME is not set; it or XDG_STATE_HOME has to be");
  return kj::str(user->pw_dir, "/.local/state/sandbridge");
}

void printOut(kj::StringPtr text) {
  while (text.size() > 0) {
    auto n = write(STDOUT_FILENO, text.begin(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      throwError(ErrorKind::FAILED, kj::str("cannot write to standard output: ", strerror(errno)));
    }
    text = text.slice(n);
  }
}

void captureEndSignals() {
  kj::UnixEventPort::captureSignal(SIGINT);
  kj::UnixEventPort::captureSignal(SIGTERM);
  kj::UnixEventPort::captureSignal(SIGHUP);
}

kj::Promise<int> onEndSignal(kj::UnixEventPort& port) {
  auto number = [](siginfo_t&& info) { return info.si_signo; };
  return port.onSignal(SIGINT).then(number)
      .exclusiveJoin(port.onSignal(SIGTERM).then(number))
      .exclusiveJoin(port.onSignal(SIGHUP).then(number));
}

}  // namespace sandbridge
