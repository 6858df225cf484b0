#include "localcloud/sandbox-logs.h"

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "localcloud/record-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <kj/debug.h>
#include <kj/io.h>
#include <kj/map.h>
#include <kj/time.h>

namespace sandbridge::localcloud {

namespace {

constexpr kj::StringPtr FIRST = ".0"_kj, SECOND = ".1"_kj, NOTES = ".notes"_kj;
// A state change is some 100 bytes.
constexpr uint64_t MAX_NOTES = 64u << 10;
// Twice what the daemon keeps in one: a file is read whole even when the daemon has just passed its limit.
constexpr uint64_t MAX_FILE = 1u << 20;

// Empty when there is none.
kj::String readFile(kj::StringPtr path) {
  int fd = open(path.cStr(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    if (errno == ENOENT) return kj::String();
    KJ_FAIL_SYSCALL("open", errno, path);
  }
  kj::AutoCloseFd owned(fd);
  kj::Vector<char> text;
  char buffer[65536];
  kj::FdInputStream in(fd);
  while (text.size() < MAX_FILE) {
    size_t n = in.tryRead(buffer, 1, sizeof buffer);
    if (n == 0) break;
    text.addAll(kj::arrayPtr(buffer, n));
  }
  return kj::heapString(text);
}

template <typename F>
void forEachLine(kj::ArrayPtr<const char> text, F&& f) {
  while (text.size() > 0) {
    auto newline = static_cast<const char*>(memchr(text.begin(), '\n', text.size()));
    if (newline == nullptr) return;  // cut
    f(text.slice(0, newline - text.begin()));
    text = text.slice(newline - text.begin() + 1, text.size());
  }
}

class Reader {
 public:
  explicit Reader(SandboxLog& log): log(log) {}

  void notes(kj::ArrayPtr<const char> text) {
    uint64_t number = 0;
    forEachLine(text, [&](kj::ArrayPtr<const char> line) {
      auto parsed = tryParseJson(line);
      KJ_IF_MAYBE(json, parsed) {
        KJ_IF_MAYBE(body, getString(*json, "note")) {
          auto level = getInt(*json, "level").orDefault(3);
          if (level < 1 || level > 6) return;
          log.entries.add(LogEntry{getInt(*json, "t").orDefault(0), static_cast<LogLevel>(level), number++,
                                   {}, kj::str(*body), nullptr});
        }
      }
    });
  }

  void output(kj::ArrayPtr<const char> text) {
    forEachLine(text, [&](kj::ArrayPtr<const char> line) {
      auto parsed = tryParseJson(line);
      KJ_IF_MAYBE(json, parsed) {
        KJ_IF_MAYBE(instance, getString(*json, "i")) {
          KJ_IF_MAYBE(handle, getInt(*json, "h")) {
            size_t process = processOf(kj::str(*instance, '-', *handle));
            KJ_IF_MAYBE(command, getString(*json, "command")) describe(process, *json, *command);
            entry(process, *json, "out", "stdout", LogLevel::INFO);
            entry(process, *json, "err", "stderr", LogLevel::ERROR);
            entry(process, *json, "note", "", LogLevel::INFO);
          }
        }
      }
    });
  }

 private:
  SandboxLog& log;
  kj::HashMap<kj::String, size_t> byId;

  size_t processOf(kj::String id) {
    KJ_IF_MAYBE(found, byId.find(id)) return *found;
    size_t index = log.processes.size();
    log.processes.add(LogProcess{kj::str(id), {}, {}, {}});
    byId.insert(kj::mv(id), index);
    return index;
  }

  void describe(size_t index, const JsonValue& json, kj::StringPtr command) {
    auto& process = log.processes[index];
    process.pid = kj::str(getInt(json, "pid").orDefault(0));
    process.name = kj::str(getString(json, "name").orDefault(""));
    process.command = kj::str(command);
  }

  void entry(size_t index, const JsonValue& json, kj::StringPtr key, kj::StringPtr stream, LogLevel level) {
    KJ_IF_MAYBE(body, getString(json, key)) {
      log.entries.add(LogEntry{getInt(json, "t").orDefault(0), level,
                               static_cast<uint64_t>(getInt(json, "n").orDefault(0)), kj::str(stream),
                               kj::str(*body), index});
    }
  }
};

}  // namespace

SandboxLogs::SandboxLogs(kj::StringPtr given) {
  RecordFiles makes(given);
  // The launcher, which opens the files, stands elsewhere.
  char* absolute = realpath(given.cStr(), nullptr);
  if (absolute == nullptr) KJ_FAIL_SYSCALL("realpath", errno, given);
  dir = kj::str(absolute);
  free(absolute);
}

kj::String SandboxLogs::path(kj::StringPtr id, kj::StringPtr suffix) {
  KJ_REQUIRE(isId(id), "not an id", id);
  return kj::str(dir, '/', id, suffix);
}

kj::String SandboxLogs::filesOf(kj::StringPtr id) { return path(id, ""); }

void SandboxLogs::note(kj::StringPtr id, LogLevel level, kj::StringPtr text) {
  KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() {
    auto file = path(id, NOTES);
    JsonWriter json;
    json.beginObject()
        .field("t", int64_t((kj::systemPreciseCalendarClock().now() - kj::UNIX_EPOCH) / kj::MILLISECONDS))
        .field("level", static_cast<int>(level))
        .field("note", text)
        .endObject();
    auto line = kj::str(json.finish(), '\n');
    int fd;
    KJ_SYSCALL(fd = open(file.cStr(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), file);
    kj::AutoCloseFd owned(fd);
    struct stat st;
    KJ_SYSCALL(fstat(fd, &st), file);
    if (static_cast<uint64_t>(st.st_size) > MAX_NOTES) {
      // The newer half stays.
      auto all = readFile(file);
      auto half = all.slice(all.size() / 2);
      KJ_IF_MAYBE(newline, half.findFirst('\n')) line = kj::str(half.slice(*newline + 1), line);
      KJ_SYSCALL(ftruncate(fd, 0), file);
    }
    kj::FdOutputStream(fd).write(line.begin(), line.size());
  })) {
    logWarning("the log of sandbox ", id, " could not be written: ", textOf(*e));
  }
}

SandboxLog SandboxLogs::read(kj::StringPtr id) {
  SandboxLog log;
  Reader reader(log);
  reader.notes(readFile(path(id, NOTES)));
  for (auto suffix: {FIRST, SECOND}) reader.output(readFile(path(id, suffix)));
  std::stable_sort(log.entries.begin(), log.entries.end(), [](const LogEntry& a, const LogEntry& b) {
    if (a.timestamp != b.timestamp) return a.timestamp < b.timestamp;
    if ((a.process == nullptr) != (b.process == nullptr)) return a.process == nullptr;
    return a.number < b.number;
  });
  return log;
}

void SandboxLogs::remove(kj::StringPtr id) {
  for (auto suffix: {FIRST, SECOND, NOTES}) {
    auto file = path(id, suffix);
    if (unlink(file.cStr()) < 0 && errno != ENOENT) {
      logWarning("cannot remove ", file, ": ", strerror(errno));
    }
  }
}

void SandboxLogs::removeAllBut(kj::FunctionParam<bool(kj::StringPtr)> known) {
  kj::Vector<kj::String> gone;
  {
    DIR* handle = opendir(dir.cStr());
    if (handle == nullptr) KJ_FAIL_SYSCALL("opendir", errno, dir);
    KJ_DEFER(closedir(handle));
    while (dirent* entry = readdir(handle)) {
      kj::StringPtr file = entry->d_name;
      KJ_IF_MAYBE(dot, file.findFirst('.')) {
        auto id = kj::heapString(file.slice(0, *dot));
        if (isId(id) && !known(id)) gone.add(kj::mv(id));
      }
    }
  }
  for (auto& id: gone) remove(id);
}

}  // namespace sandbridge::localcloud
