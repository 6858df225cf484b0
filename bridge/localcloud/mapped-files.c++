#include "mapped-files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace sandbridge::localcloud {

namespace {

constexpr char DELETED[] = " (deleted)";

bool startsWith(const std::string& text, const char* prefix) {
  return text.compare(0, strlen(prefix), prefix) == 0;
}

// What no folder of a box's upper layer can hold.
bool isElsewhere(const std::string& path) {
  for (const char* prefix : {"/dev/", "/run/", "/memfd:", "/SYSV", "/proc/"}) {
    if (startsWith(path, prefix)) return true;
  }
  return false;
}

void readMaps(const char* pid, MappedFiles& result) {
  std::string name = std::string("/proc/") + pid + "/maps";
  FILE* maps = fopen(name.c_str(), "re");
  if (maps == nullptr) {
    if (errno != ENOENT && errno != ESRCH) result.unknown = true;
    return;
  }
  char* line = nullptr;
  size_t capacity = 0;
  while (getline(&line, &capacity, maps) > 0) {
    // "from-to rw-s offset device inode   /path"
    char access[8] = "";
    int at = 0;
    if (sscanf(line, "%*s %4s %*s %*s %*s %n", access, &at) < 1 || at == 0) continue;
    if (access[3] != 's') continue;
    std::string path(line + at);
    while (!path.empty() && path.back() == '\n') path.pop_back();
    if (path.empty() || path[0] != '/' || isElsewhere(path)) continue;
    bool deleted = path.size() > sizeof DELETED - 1 &&
                   path.compare(path.size() - (sizeof DELETED - 1), std::string::npos, DELETED) == 0;
    // Another name of it may be left; and an escaped name is not worth reading.
    if (deleted || path.find('\\') != std::string::npos) result.unknown = true;
    result.paths.insert(path);
  }
  // A process may end while it is looked at.
  if (ferror(maps) && errno != ESRCH) result.unknown = true;
  free(line);
  fclose(maps);
}

}  // namespace

MappedFiles mappedFiles(uint64_t pidNamespace) {
  MappedFiles result;
  std::string wanted = "pid:[" + std::to_string(pidNamespace) + "]";
  DIR* processes = opendir("/proc");
  if (processes == nullptr) {
    result.unknown = true;
    return result;
  }
  while (dirent* entry = readdir(processes)) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    std::string link = std::string("/proc/") + entry->d_name + "/ns/pid";
    char target[64];
    ssize_t n = readlink(link.c_str(), target, sizeof target);
    if (n > 0 && wanted == std::string(target, n)) readMaps(entry->d_name, result);
  }
  closedir(processes);
  return result;
}

}  // namespace sandbridge::localcloud
