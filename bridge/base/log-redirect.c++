#include "base/error.h"
#include "base/log.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
// KJ insists that an ExceptionCallback is near the stack pointer, which the sanitizer's stacks on the heap are not. In a file
// of its own, so that only programs with a KjLogRedirect go without them.
extern "C" const char* __asan_default_options() { return "detect_stack_use_after_return=0"; }
#endif
#endif

namespace sandbridge {

void KjLogRedirect::logMessage(kj::LogSeverity severity, const char* file, int line, int contextDepth,
                               kj::String&& text) {
  auto level = severity == kj::LogSeverity::DBG       ? LogLevel::DEBUG
               : severity == kj::LogSeverity::INFO    ? LogLevel::INFO
               : severity == kj::LogSeverity::WARNING ? LogLevel::WARNING
                                                      : LogLevel::ERROR;
  logLine(level, withoutSources(text));
}

}  // namespace sandbridge
