#include "process-log.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"

namespace sandbridge::localcloud::daemon {

namespace {

constexpr size_t MAX_COMMAND = 1024;
constexpr size_t OVERHEAD = 80;  // of an entry beside its text

// Not inside a character.
kj::ArrayPtr<const char> cut(kj::ArrayPtr<const char> text, size_t max) {
  if (text.size() <= max) return text;
  size_t end = max;
  while (end > 0 && (text[end] & 0xc0) == 0x80) end--;
  return text.slice(0, end);
}

kj::String commandOf(kj::StringPtr program, kj::ArrayPtr<const kj::String> arguments) {
  kj::Vector<char> text;
  text.addAll(program);
  for (auto& argument : arguments) {
    if (text.size() > MAX_COMMAND) break;
    text.add(' ');
    text.addAll(cut(argument, MAX_COMMAND));
  }
  return kj::heapString(cut(text, MAX_COMMAND));
}

}  // namespace

LogFiles::LogFiles(kj::AutoCloseFd first, kj::AutoCloseFd second, kj::StringPtr instance)
    : current(kj::mv(first)), other(kj::mv(second)), start(kj::str(instance)) {
  // Goes on in the one that an earlier start of the box wrote last.
  struct stat a, b;
  if (fstat(current, &a) < 0 || fstat(other, &b) < 0) return;
  auto isNewer = [](const timespec& x, const timespec& y) {
    return x.tv_sec != y.tv_sec ? x.tv_sec > y.tv_sec : x.tv_nsec > y.tv_nsec;
  };
  if (b.st_size > 0 && isNewer(b.st_mtim, a.st_mtim)) {
    auto kept = kj::mv(current);
    current = kj::mv(other);
    other = kj::mv(kept);
    a = b;
  }
  size = a.st_size;
}

void LogFiles::write(kj::StringPtr line) {
  if (size > 0 && size + line.size() + 1 > FILE_BYTES) {
    auto full = kj::mv(current);
    current = kj::mv(other);
    other = kj::mv(full);
    // On failure it grows: only where there is no file to cut, as in tests.
    if (ftruncate(current, 0) < 0) errno = 0;
    size = 0;
    turns++;
  }
  auto text = kj::str(line, '\n');
  ssize_t n;
  do {
    n = ::write(current, text.begin(), text.size());
  } while (n < 0 && errno == EINTR);
  size += text.size();
}

ProcessLog::ProcessLog(LogFiles& files, uint64_t handle, int pid, kj::StringPtr name,
                       kj::StringPtr program, kj::ArrayPtr<const kj::String> arguments, int64_t now)
    : files(files),
      handle(handle),
      pid(pid),
      name(kj::str(name)),
      command(commandOf(program, arguments)),
      lastTime(now) {
  note(now, "started");
}

void ProcessLog::line(bool isError, int64_t now, kj::StringPtr text) {
  if (now > lastTime) {
    budget = kj::min(double(BURST_BYTES), budget + (now - lastTime) * (BYTES_PER_SECOND / 1000.0));
  }
  lastTime = now;
  double cost = kj::min(text.size(), MAX_TEXT) + OVERHEAD;
  if (cost > budget) {
    leftOut++;
    return;
  }
  budget -= cost;
  tellLeftOut(now);
  write(isError ? "err"_kj : "out"_kj, now, text);
}

void ProcessLog::note(int64_t now, kj::StringPtr text) {
  tellLeftOut(now);
  write("note", now, text);
}

void ProcessLog::tellLeftOut(int64_t now) {
  if (leftOut == 0) return;
  auto text = kj::str(leftOut, leftOut == 1 ? " line is" : " lines are",
                      " left out here: the process printed faster than the log keeps");
  leftOut = 0;
  write("note", now, text);
}

void ProcessLog::write(kj::StringPtr kind, int64_t now, kj::StringPtr text) {
  // Twice at most: the description may be what fills a file.
  while (describedIn != files.turn()) {
    describedIn = files.turn();
    JsonWriter json;
    json.beginObject()
        .field("i", files.instance())
        .field("h", handle)
        .field("t", now)
        .field("pid", pid)
        .field("name", name)
        .field("command", command)
        .endObject();
    files.write(json.finish());
  }
  JsonWriter json;
  json.beginObject()
      .field("i", files.instance())
      .field("h", handle)
      .field("t", now)
      .field("n", files.nextNumber());
  if (text.size() > MAX_TEXT) {
    json.field(kind, kj::str(cut(text, MAX_TEXT), " [", text.size(), " bytes, cut]"));
  } else {
    json.field(kind, text);
  }
  json.endObject();
  files.write(json.finish());
}

}  // namespace sandbridge::localcloud::daemon
