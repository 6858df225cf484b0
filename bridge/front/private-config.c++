#include "front/private-config.h"

#include "base/error.h"
#include "base/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kj/debug.h>
#include <kj/io.h>
#include <kj/vector.h>

extern char** environ;

namespace sandbridge {
namespace {

[[noreturn]] void failErrno(kj::StringPtr path, kj::StringPtr what, int error) {
  throwError(ErrorKind::FAILED, kj::str(path, " cannot be ", what, ": ", strerror(error)));
}

void makeDirectory(kj::StringPtr path) {
  if (mkdir(path.cStr(), 0700) == 0) return;
  if (errno == ENOENT) {
    auto slash = path.findLast('/').orDefault(0);
    if (slash > 0) {
      makeDirectory(kj::str(path.slice(0, slash)));
      if (mkdir(path.cStr(), 0700) == 0) return;
    }
  }
  if (errno != EEXIST) failErrno(path, "made", errno);
}

void makePrivate(kj::StringPtr path) {
  makeDirectory(path);
  struct stat st;
  if (lstat(path.cStr(), &st) < 0) failErrno(path, "read", errno);
  if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
    throwError(ErrorKind::DENIED, kj::str(path, " is not a directory of our own"));
  }
  if ((st.st_mode & 077) != 0 && chmod(path.cStr(), 0700) < 0) failErrno(path, "made private", errno);
}

void writeFile(kj::StringPtr path, kj::StringPtr text) {
  int fd = open(path.cStr(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) failErrno(path, "written", errno);
  kj::FdOutputStream(kj::AutoCloseFd(fd)).write(text.begin(), text.size());
}

kj::Vector<kj::String> namesIn(kj::StringPtr path) {
  kj::Vector<kj::String> names;
  auto dir = opendir(path.cStr());
  if (dir == nullptr) return names;  // then there is nothing to show
  KJ_DEFER(closedir(dir));
  while (auto entry = readdir(dir)) {
    kj::StringPtr name = entry->d_name;
    if (name != "." && name != "..") names.add(kj::str(name));
  }
  return names;
}

// Makes `to` show what `from` has, by links, except the names in `hidden`.
void mirror(kj::StringPtr from, kj::StringPtr to, std::initializer_list<kj::StringPtr> hidden) {
  for (auto& name : namesIn(to)) {
    auto path = kj::str(to, "/", name);
    struct stat st;
    if (lstat(path.cStr(), &st) == 0 && S_ISLNK(st.st_mode)) unlink(path.cStr());
  }
  for (auto& name : namesIn(from)) {
    bool skip = false;
    for (auto h : hidden) skip = skip || name == h;
    if (skip) continue;
    auto link = kj::str(to, "/", name);
    if (symlink(kj::str(from, "/", name).cStr(), link.cStr()) < 0 && errno != EEXIST) {
      failErrno(link, "made", errno);
    }
  }
}

kj::String usersConfigHome() {
  auto xdg = getenv("XDG_CONFIG_HOME");
  if (xdg != nullptr && xdg[0] == '/') return kj::str(xdg);
  auto home = getenv("HOME");
  return kj::str(home == nullptr ? "" : home, "/.config");
}

JsonDocument parseUsers(kj::StringPtr text, kj::StringPtr variable) {
  if (text.size() == 0) return JsonDocument(rapidjson::kObjectType);
  KJ_IF_MAYBE (document, tryParseJson(text)) {
    if (document->IsObject()) return kj::mv(*document);
  }
  throwError(ErrorKind::INVALID_ARGUMENT,
             kj::str(variable, " in the environment is not a JSON object"));
}

struct Editor {
  JsonDocument& document;
  JsonDocument::AllocatorType& allocator = document.GetAllocator();

  JsonValue text(kj::StringPtr s) { return JsonValue(s.begin(), s.size(), allocator); }

  void set(JsonValue& object, kj::StringPtr name, JsonValue value) {
    object.RemoveMember(name.cStr());  // to become the last one
    object.AddMember(text(name), value, allocator);
  }
};

}  // namespace

OpenCodePlace makeOpenCodePlace(kj::StringPtr stateDir) {
  OpenCodePlace place;
  auto base = kj::str(stateDir, "/opencode");
  place.directory = kj::str(base, "/work");
  place.configHome = kj::str(base, "/config");
  auto config = kj::str(place.configHome, "/opencode");
  for (auto& path : {kj::StringPtr(base), kj::StringPtr(place.directory),
                     kj::StringPtr(place.configHome), kj::StringPtr(config)}) {
    makePrivate(path);
  }
  auto users = usersConfigHome();
  if (users != place.configHome) {
    mirror(users, place.configHome, {"opencode"_kj});
    mirror(kj::str(users, "/opencode"), config,
           {"node_modules"_kj, "package.json"_kj, "package-lock.json"_kj, "bun.lock"_kj,
            "bun.lockb"_kj, ".gitignore"_kj});
  }
  makePrivate(kj::str(config, "/node_modules"));
  writeFile(kj::str(config, "/package.json"), R"({"dependencies":{"@opencode-ai/plugin":"*"}})");
  writeFile(
      kj::str(config, "/package-lock.json"),
      R"({"lockfileVersion":3,"packages":{"":{"dependencies":{"@opencode-ai/plugin":"*"}}}})");
  return place;
}

kj::String openCodeConfig(kj::StringPtr users, kj::StringPtr pluginPath) {
  auto document = parseUsers(users, "OPENCODE_CONFIG_CONTENT");
  Editor edit{document};
  JsonValue plugins(rapidjson::kArrayType);
  KJ_IF_MAYBE (theirs, getArray(document, "plugin")) {
    plugins.CopyFrom(*theirs, edit.allocator);
  }
  plugins.PushBack(edit.text(pluginPath), edit.allocator);  // the last plugin wins
  edit.set(document, "plugin", kj::mv(plugins));
  // What would touch or describe the machine, or send the work elsewhere. Not `lsp`: the plugin switches it off and minds
  // what the user says of it, and without the plugin no file is touched.
  edit.set(document, "formatter", JsonValue(false));
  edit.set(document, "snapshot", JsonValue(false));
  edit.set(document, "autoupdate", JsonValue(false));
  edit.set(document, "share", edit.text("disabled"));
  auto shell = kj::str(pluginPath, "/bin/sandbridge-shell");
  if (access(shell.cStr(), X_OK) == 0) edit.set(document, "shell", edit.text(shell));
  return toJson(document);
}

kj::String openCodePermission(kj::StringPtr users) {
  auto document = parseUsers(users, "OPENCODE_PERMISSION");
  Editor edit{document};
  for (kj::StringPtr name : {"bash"_kj, "read"_kj, "edit"_kj, "glob"_kj, "grep"_kj, "list"_kj}) {
    JsonValue rules(rapidjson::kObjectType);
    KJ_IF_MAYBE (theirs, getObject(document, name)) { rules.CopyFrom(*theirs, edit.allocator); }
    edit.set(rules, "*", edit.text("deny"));
    edit.set(rules, "-", edit.text("allow"));
    edit.set(document, name, kj::mv(rules));
  }
  return toJson(document);
}

kj::Array<kj::String> childEnvironment(kj::ArrayPtr<const kj::String> additions) {
  auto nameOf = [](kj::StringPtr entry) {
    return entry.slice(0, entry.findFirst('=').orDefault(entry.size()));
  };
  kj::Vector<kj::String> result;
  for (auto entry = environ; *entry != nullptr; ++entry) {
    kj::StringPtr text = *entry;
    auto name = kj::heapString(nameOf(text));
    // OPENCODE_PURE would leave our plugin out.
    bool drop = name.startsWith("TENSORLAKE_") || name == "SANDBRIDGE_TOKEN" || name == "OPENCODE_PURE";
    for (auto& addition : additions) drop = drop || name == kj::heapString(nameOf(addition));
    if (!drop) result.add(kj::str(text));
  }
  for (auto& addition : additions) result.add(kj::str(addition));
  return result.releaseAsArray();
}

}  // namespace sandbridge
