#include "sandbox/helper/launch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char** environ;

namespace sandbridge::helper {

namespace {

constexpr size_t MAX_PROGRAM = 4096;
constexpr const char* DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

bool sameName(const char* a, const char* b) {
  while (*a == *b && *a != '=' && *a != 0) {
    ++a;
    ++b;
  }
  return *a == '=' && *b == '=';
}

// From here on the keeper's memory is shared with it: nothing may be changed that it needs.

// `name` in the next directory of `path`; null behind the last one.
const char* nextCandidate(const char* path, const char* name, char* buffer) {
  const char* end = strchrnul(path, ':');
  size_t size = end - path, nameSize = strlen(name);
  buffer[0] = 0;
  if (size + nameSize + 2 <= MAX_PROGRAM) {
    memcpy(buffer, path, size);
    if (size > 0) buffer[size++] = '/';
    memcpy(buffer + size, name, nameSize + 1);
  }
  return *end == ':' ? end + 1 : nullptr;
}

// Like execve(), for a text without `#!` also.
void become(const char* file, char** argv, char** envp) {
  execve(file, argv, envp);
  if (errno != ENOEXEC) return;
  size_t count = 0;
  while (argv[count] != nullptr) ++count;
  auto words = static_cast<char**>(alloca((count + 2) * sizeof(char*)));
  words[0] = const_cast<char*>("/bin/sh");
  words[1] = const_cast<char*>(file);
  for (size_t i = 1; i <= count; ++i) words[i + 1] = argv[i];
  execve(words[0], words, envp);
}

// Returns only when it fails, with errno.
void search(const char* name, const char* path, char** argv, char** envp, bool asItself) {
  int error = ENOENT;
  char buffer[MAX_PROGRAM];
  while (path != nullptr) {
    path = nextCandidate(path, name, buffer);
    if (buffer[0] == 0) continue;
    if (asItself) argv[0] = buffer;
    become(buffer, argv, envp);
    if (errno == EACCES) error = EACCES;
    else if (errno != ENOENT && errno != ENOTDIR) return;
  }
  errno = error;
}

void say(const char* text) {
  if (write(2, text, strlen(text)) < 0) return;
}

[[noreturn]] void run(const Request& request, char** envp, const char* path, int in, int out, int err) {
  setsid();
  for (int number = 1; number < 32; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) _exit(126);

  size_t count = 0;
  while (request.program[count] != nullptr) ++count;
  auto argv = static_cast<char**>(alloca((count + 1) * sizeof(char*)));
  for (size_t i = 0; i <= count; ++i) argv[i] = request.program[i];
  if (request.shell) {
    argv[0] = const_cast<char*>("/bin/bash");
    execve(argv[0], argv, envp);
    search("bash", path, argv, envp, true);
    argv[0] = const_cast<char*>("/bin/sh");
    execve(argv[0], argv, envp);
  } else if (strchr(argv[0], '/') != nullptr) {
    become(argv[0], argv, envp);
  } else {
    search(argv[0], path, argv, envp, false);
  }
  int error = errno;
  say(argv[0]);
  say(": ");
  say(strerror(error));
  say("\n");
  _exit(error == ENOENT ? 127 : 126);
}

}  // namespace

bool makeDirectories(const char* path, mode_t mode) {
  char part[MAX_PROGRAM];
  size_t size = strlen(path);
  if (size >= sizeof part) return false;
  for (size_t i = 1; i <= size; ++i) {
    if (path[i] != '/' && path[i] != 0) continue;
    memcpy(part, path, i);
    part[i] = 0;
    if (mkdir(part, mode) < 0 && errno != EEXIST && i == size) return false;
  }
  return true;
}

Workdir enter(const Request& request) {
  if (chdir(request.dir) == 0) return Workdir::GOOD;
  if (errno == ENOENT && request.make && makeDirectories(request.dir, 0777) && chdir(request.dir) == 0) {
    return Workdir::GOOD;
  }
  if (errno == EACCES) return Workdir::DENIED;
  struct stat st;
  if (stat(request.dir, &st) == 0) return S_ISDIR(st.st_mode) ? Workdir::DENIED : Workdir::NOT_A_DIRECTORY;
  return Workdir::MISSING;
}

pid_t launch(const Request& request, char** variables, int in, int out, int err) {
  size_t own = 0;
  while (environ[own] != nullptr) ++own;
  auto envp = static_cast<char**>(malloc((own + request.variableCount + 1) * sizeof(char*)));
  if (envp == nullptr) return -1;
  size_t count = 0;
  for (size_t i = 0; i < own; ++i) {
    bool replaced = false;
    for (size_t k = 0; k < request.variableCount; ++k) replaced = replaced || sameName(environ[i], variables[k]);
    if (!replaced) envp[count++] = environ[i];
  }
  for (size_t k = 0; k < request.variableCount; ++k) envp[count++] = variables[k];
  envp[count] = nullptr;
  const char* path = DEFAULT_PATH;
  for (size_t i = 0; i < count; ++i) {
    if (strncmp(envp[i], "PATH=", 5) == 0) path = envp[i] + 5;
  }
  pid_t pid = vfork();
  if (pid == 0) run(request, envp, path, in, out, err);
  free(envp);
  return pid;
}

}  // namespace sandbridge::helper
