#include "base/log.h"

#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <kj/vector.h>

namespace sandbridge {
namespace {

kj::StringPtr toWord(LogLevel level) {
  switch (level) {
    case LogLevel::DEBUG:
      return "debug";
    case LogLevel::INFO:
      return "info";
    case LogLevel::WARNING:
      return "warning";
    case LogLevel::ERROR:
      return "error";
  }
  return "error";
}

// Control characters, which could forge lines or drive the terminal, as \xNN; line breaks inside as " | ".
kj::String onOneLine(kj::StringPtr message) {
  auto end = message.size();
  while (end > 0 && (message[end - 1] == '\n' || message[end - 1] == '\r')) --end;
  kj::Vector<char> out(end + 16);
  for (char c : message.slice(0, end)) {
    auto code = static_cast<kj::byte>(c);
    if (c == '\n') {
      out.addAll(" | "_kj);
    } else if (c == '\t') {
      out.add(' ');
    } else if (code < 0x20 || code == 0x7f) {
      out.addAll(kj::str("\\x", code < 16 ? "0" : "", kj::hex(code)));
    } else {
      out.add(c);
    }
  }
  return toValidUtf8(out.asPtr());
}

kj::String timeText(bool forPeople) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts;
  char text[40];
  size_t n;
  if (forPeople) {
    localtime_r(&now.tv_sec, &parts);
    n = strftime(text, sizeof(text), "%H:%M:%S", &parts);
  } else {
    gmtime_r(&now.tv_sec, &parts);
    n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    n += snprintf(text + n, sizeof(text) - n, ".%03ldZ", now.tv_nsec / 1000000);
  }
  return kj::heapString(text, n);
}

}  // namespace

kj::String formatLogLine(LogLevel level, kj::StringPtr message, bool forPeople) {
  if (forPeople) {
    return kj::str(timeText(true), " ", level == LogLevel::INFO ? ""_kj : toWord(level),
                   level == LogLevel::INFO ? "" : ": ", onOneLine(message));
  }
  JsonWriter json;
  json.beginObject()
      .field("time", timeText(false))
      .field("level", toWord(level))
      .field("message", message)
      .endObject();
  return json.finish();
}

void logLine(LogLevel level, kj::StringPtr message) {
  static const bool terminal = isatty(STDERR_FILENO) == 1;
  auto line = kj::str(formatLogLine(level, message, terminal), "\n");
  kj::StringPtr rest = line;
  while (rest.size() > 0) {
    auto n = write(STDERR_FILENO, rest.begin(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;  // there is nowhere left to say so
    rest = rest.slice(n);
  }
}

}  // namespace sandbridge
