#include "localcloud/sandbox-record.h"

#include "base/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kj/debug.h>
#include <kj/io.h>

namespace sandbridge::localcloud {

namespace {

constexpr size_t ID_LENGTH = 21;
constexpr size_t MAX_RECORD_BYTES = 4u << 20;  // the create call is at most 1 MiB
constexpr kj::StringPtr SUFFIX = ".json"_kj;
constexpr kj::StringPtr TEMPORARY_SUFFIX = ".json.new"_kj;

constexpr Status ALL[] = {Status::PENDING, Status::RUNNING, Status::SUSPENDING, Status::SUSPENDED,
                          Status::TERMINATED};

kj::String serialize(const SandboxRecord& record) {
  JsonWriter json;
  json.beginObject()
      .field("id", record.id)
      .field("namespace", record.ns)
      .field("name", record.name)
      .field("status", toWord(record.status))
      .field("image", record.image)
      .field("cpus", record.cpus)
      .field("memory_mb", record.memoryMb)
      .field("disk_mb", record.diskMb)
      .field("timeout_secs", record.timeoutSecs)
      .field("internet", record.internet)
      .key("entrypoint")
      .beginArray();
  for (auto& part: record.entrypoint) json.value(part);
  json.endArray()
      .field("created_at", record.createdAt)
      .field("terminated_at", record.terminatedAt)
      .field("termination_reason", record.terminationReason)
      .field("error_details", record.errorDetails)
      .endObject();
  return json.finish();
}

// None: not a record that this program could have written.
kj::Maybe<SandboxRecord> deserialize(kj::StringPtr text, kj::StringPtr id) {
  auto parsed = tryParseJson(text);
  KJ_IF_MAYBE(json, parsed) {
    bool good = true;
    auto text = [&](kj::StringPtr key) {
      KJ_IF_MAYBE(value, getString(*json, key)) return kj::heapString(*value);
      good = false;
      return kj::String();
    };
    auto number = [&](kj::StringPtr key) -> int64_t {
      KJ_IF_MAYBE(value, getInt(*json, key)) return *value;
      good = false;
      return 0;
    };
    auto small = [&](kj::StringPtr key) -> uint32_t {
      auto value = number(key);
      good = good && value >= 0 && value <= UINT32_MAX;
      return static_cast<uint32_t>(value);
    };

    SandboxRecord record;
    record.id = text("id");
    record.ns = text("namespace");
    record.name = text("name");
    auto word = text("status");
    bool known = false;
    for (auto status: ALL) {
      if (word == toWord(status)) {
        record.status = status;
        known = true;
      }
    }
    record.image = text("image");
    record.cpus = getNumber(*json, "cpus").orDefault(0);
    record.memoryMb = small("memory_mb");
    record.diskMb = small("disk_mb");
    record.timeoutSecs = small("timeout_secs");
    record.internet = getBool(*json, "internet").orDefault(false);
    KJ_IF_MAYBE(list, getArray(*json, "entrypoint")) {
      auto parts = kj::heapArrayBuilder<kj::String>(list->Size());
      for (auto& part: list->GetArray()) {
        good = good && part.IsString();
        parts.add(part.IsString() ? kj::heapString(stringOf(part)) : kj::String());
      }
      record.entrypoint = parts.finish();
    }
    record.createdAt = number("created_at");
    record.terminatedAt = number("terminated_at");
    record.terminationReason = text("termination_reason");
    record.errorDetails = text("error_details");
    if (good && known && record.id == id && record.ns.size() > 0 && record.cpus > 0) {
      return kj::mv(record);
    }
  }
  return nullptr;
}

void syncDirectory(kj::StringPtr dir) {
  int fd;
  KJ_SYSCALL(fd = open(dir.cStr(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir);
  kj::AutoCloseFd closer(fd);
  KJ_SYSCALL(fsync(fd), dir);
}

void makeDirectories(kj::StringPtr dir) {
  for (size_t i = 1; i <= dir.size(); i++) {
    if (i < dir.size() && dir[i] != '/') continue;
    auto part = kj::heapString(dir.slice(0, i));
    if (mkdir(part.cStr(), 0700) < 0 && errno != EEXIST) {
      int error = errno;
      struct stat info;
      if (stat(part.cStr(), &info) == 0 && S_ISDIR(info.st_mode)) continue;  // EROFS, EACCES on an old one
      KJ_FAIL_SYSCALL("mkdir", error, part);
    }
  }
}

kj::Maybe<kj::String> readSmallFile(kj::StringPtr path) {
  int fd;
  KJ_SYSCALL(fd = open(path.cStr(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW), path);
  kj::AutoCloseFd closer(fd);
  struct stat info;
  KJ_SYSCALL(fstat(fd, &info), path);
  if (!S_ISREG(info.st_mode) || static_cast<uint64_t>(info.st_size) > MAX_RECORD_BYTES) return nullptr;
  return kj::FdInputStream(fd).readAllText(MAX_RECORD_BYTES + 1);
}

}  // namespace

kj::StringPtr toWord(Status status) {
  switch (status) {
    case Status::PENDING:
      return "pending"_kj;
    case Status::RUNNING:
      return "running"_kj;
    case Status::SUSPENDING:
      return "suspending"_kj;
    case Status::SUSPENDED:
      return "suspended"_kj;
    case Status::TERMINATED:
      return "terminated"_kj;
  }
  KJ_UNREACHABLE;
}

kj::String newSandboxId() {
  constexpr char ALPHABET[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  auto id = kj::heapString(ID_LENGTH);
  size_t filled = 0;
  while (filled < ID_LENGTH) {
    kj::byte random[64];
    ssize_t n;
    KJ_SYSCALL(n = getrandom(random, sizeof(random), 0));
    for (ssize_t i = 0; i < n && filled < ID_LENGTH; i++) {
      // 252 is the largest multiple of 36 in a byte: the rest would favour the first letters.
      if (random[i] < 252) id[filled++] = ALPHABET[random[i] % 36];
    }
  }
  return id;
}

bool isSandboxId(kj::StringPtr text) {
  if (text.size() != ID_LENGTH) return false;
  for (char c: text) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return false;
  }
  return true;
}

RecordStore::RecordStore(kj::StringPtr dir): dir(kj::heapString(dir)) {
  makeDirectories(dir);
}

kj::String RecordStore::pathOf(kj::StringPtr id) {
  KJ_REQUIRE(isSandboxId(id), "not an id of a sandbox", id);
  return kj::str(dir, '/', id, SUFFIX);
}

RecordStore::Loaded RecordStore::load() {
  Loaded result;
  DIR* handle = opendir(dir.cStr());
  if (handle == nullptr) KJ_FAIL_SYSCALL("opendir", errno, dir);
  KJ_DEFER(closedir(handle));
  for (;;) {
    errno = 0;
    struct dirent* entry = readdir(handle);
    if (entry == nullptr) {
      if (errno != 0) KJ_FAIL_SYSCALL("readdir", errno, dir);
      return result;
    }
    kj::StringPtr file = entry->d_name;
    if (file.endsWith(TEMPORARY_SUFFIX)) {
      auto path = kj::str(dir, '/', file);
      KJ_SYSCALL(unlink(path.cStr()), path);
      continue;
    }
    if (!file.endsWith(SUFFIX)) continue;
    auto id = kj::heapString(file.slice(0, file.size() - SUFFIX.size()));
    if (!isSandboxId(id)) continue;
    KJ_IF_MAYBE(text, readSmallFile(pathOf(id))) {
      KJ_IF_MAYBE(record, deserialize(*text, id)) {
        result.records.add(kj::mv(*record));
        continue;
      }
    }
    result.damaged.add(kj::mv(id));
  }
}

void RecordStore::save(const SandboxRecord& record, Sync sync) {
  auto path = pathOf(record.id);
  auto temporary = kj::str(dir, '/', record.id, TEMPORARY_SUFFIX);
  auto text = serialize(record);
  {
    int fd;
    KJ_SYSCALL(fd = open(temporary.cStr(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600),
               temporary);
    kj::AutoCloseFd closer(fd);
    KJ_ON_SCOPE_FAILURE(unlink(temporary.cStr()));
    kj::FdOutputStream(fd).write(text.begin(), text.size());
    if (sync == Sync::NOW) {
      KJ_SYSCALL(fdatasync(fd), temporary);
    }
  }
  KJ_SYSCALL(rename(temporary.cStr(), path.cStr()), path);
  if (sync == Sync::NOW) syncDirectory(dir);
}

void RecordStore::remove(kj::StringPtr id) {
  auto path = pathOf(id);
  if (unlink(path.cStr()) < 0 && errno != ENOENT) KJ_FAIL_SYSCALL("unlink", errno, path);
}

}  // namespace sandbridge::localcloud
