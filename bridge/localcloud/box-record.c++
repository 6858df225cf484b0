#include "box-record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kj/debug.h>
#include <kj/io.h>

#include "base/error.h"
#include "base/json.h"

namespace sandbridge::localcloud {

namespace {

constexpr size_t MAX_BYTES = 64u << 10;

kj::String member(const rapidjson::Value& object, const char* name) {
  auto found = object.FindMember(name);
  if (found == object.MemberEnd() || !found->value.IsString()) return kj::str("");
  return kj::heapString(found->value.GetString(), found->value.GetStringLength());
}

bool flag(const rapidjson::Value& object, const char* name) {
  auto found = object.FindMember(name);
  return found != object.MemberEnd() && found->value.IsTrue();
}

}  // namespace

BoxRecord BoxRecord::clone() const {
  BoxRecord copy;
  copy.id = kj::str(id);
  copy.instance = kj::str(instance);
  copy.bootId = kj::str(bootId);
  copy.state = kj::str(state);
  for (auto& layer : layers) copy.layers.add(kj::str(layer));
  copy.everRan = everRan;
  copy.pidNamespace = pidNamespace;
  for (auto& group : cgroups) {
    copy.cgroups.add(Group{kj::str(group.folder), group.v2, group.freezer});
  }
  return copy;
}

void BoxRecord::save(kj::StringPtr folder) const {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> json(buffer);
  auto text = [&](const char* name, kj::StringPtr value) {
    json.Key(name);
    json.String(value.begin(), value.size());
  };
  json.StartObject();
  text("id", id);
  text("instance", instance);
  text("bootId", bootId);
  text("state", state);
  json.Key("layers");
  json.StartArray();
  for (auto& layer : layers) json.String(layer.begin(), layer.size());
  json.EndArray();
  json.Key("everRan");
  json.Bool(everRan);
  json.Key("pidNamespace");
  json.Uint64(pidNamespace);
  json.Key("cgroups");
  json.StartArray();
  for (auto& group : cgroups) {
    json.StartObject();
    text("folder", group.folder);
    json.Key("v2");
    json.Bool(group.v2);
    json.Key("freezer");
    json.Bool(group.freezer);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();

  auto path = kj::str(folder, "/box.json"), fresh = kj::str(folder, "/box.json.new");
  int fd = open(fresh.cStr(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) throwError(ErrorKind::FAILED, kj::str("cannot write ", fresh, ": ", strerror(errno)));
  kj::FdOutputStream out((kj::AutoCloseFd(fd)));
  out.write(buffer.GetString(), buffer.GetSize());
  // No fsync: what the file is about does not outlive the machine's next boot either.
  if (rename(fresh.cStr(), path.cStr()) < 0) {
    throwError(ErrorKind::FAILED, kj::str("cannot write ", path, ": ", strerror(errno)));
  }
}

kj::Maybe<BoxRecord> BoxRecord::load(kj::StringPtr folder) {
  int fd = open(kj::str(folder, "/box.json").cStr(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return nullptr;
  kj::FdInputStream in((kj::AutoCloseFd(fd)));
  auto text = kj::heapArray<char>(MAX_BYTES);
  size_t size = in.tryRead(text.begin(), text.size(), text.size());
  JsonDocument document;
  KJ_IF_MAYBE (parsed, tryParseJson(text.slice(0, size))) document = kj::mv(*parsed);
  if (!document.IsObject()) return nullptr;
  BoxRecord record;
  record.id = member(document, "id");
  record.instance = member(document, "instance");
  record.bootId = member(document, "bootId");
  record.state = member(document, "state");
  record.everRan = flag(document, "everRan");
  auto layers = document.FindMember("layers");
  if (layers != document.MemberEnd() && layers->value.IsArray()) {
    for (auto& layer : layers->value.GetArray()) {
      if (layer.IsString()) {
        record.layers.add(kj::heapString(layer.GetString(), layer.GetStringLength()));
      }
    }
  }
  auto inode = document.FindMember("pidNamespace");
  if (inode != document.MemberEnd() && inode->value.IsUint64()) {
    record.pidNamespace = inode->value.GetUint64();
  }
  auto groups = document.FindMember("cgroups");
  if (groups != document.MemberEnd() && groups->value.IsArray()) {
    for (auto& group : groups->value.GetArray()) {
      if (!group.IsObject()) continue;
      record.cgroups.add(Group{member(group, "folder"), flag(group, "v2"), flag(group, "freezer")});
    }
  }
  return record;
}

}  // namespace sandbridge::localcloud
