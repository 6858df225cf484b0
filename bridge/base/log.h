#pragma once
// What the bridge tells its operator, one line each on stderr: for people when stderr is a terminal, else one JSON
// object a line ({"time":"2026-01-31T12:00:00.000Z","level":"info","message":"..."}).
// No credential and no tool output belongs in a message.

#include <kj/exception.h>
#include <kj/string.h>

namespace sandbridge {

enum class LogLevel { DEBUG, INFO, WARNING, ERROR };

void logLine(LogLevel level, kj::StringPtr message);

template <typename... Params>
void logInfo(Params&&... params) {
  logLine(LogLevel::INFO, kj::str(kj::fwd<Params>(params)...));
}
template <typename... Params>
void logWarning(Params&&... params) {
  logLine(LogLevel::WARNING, kj::str(kj::fwd<Params>(params)...));
}
template <typename... Params>
void logError(Params&&... params) {
  logLine(LogLevel::ERROR, kj::str(kj::fwd<Params>(params)...));
}

// The line without its newline, as logLine() writes it: one line whatever `message` holds.
kj::String formatLogLine(LogLevel level, kj::StringPtr message, bool forPeople);

// While it lives, in its thread, KJ's own log (KJ_LOG, also that of the libraries) goes through logLine(), without source
// positions and stack addresses. Make one in main().
class KjLogRedirect final : public kj::ExceptionCallback {
 public:
  void logMessage(kj::LogSeverity severity, const char* file, int line, int contextDepth,
                  kj::String&& text) override;
  StackTraceMode stackTraceMode() override { return StackTraceMode::NONE; }
};

}  // namespace sandbridge
