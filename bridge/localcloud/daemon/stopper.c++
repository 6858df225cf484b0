#include "stopper.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kj/common.h>

#include <map>

#include "base/coroutine.h"

namespace sandbridge::localcloud::daemon {

namespace {

constexpr kj::Duration BETWEEN_LOOKS = 5 * kj::MILLISECONDS;
constexpr int MAX_LOOKS = 200;  // about one second

struct Task {
  char state;
  uint64_t cpu;  // ticks
};

bool isNumber(const char* name) { return name[0] >= '0' && name[0] <= '9'; }

kj::Maybe<Task> readTask(const char* path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  char text[1024];
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return nullptr;
  text[n] = 0;
  // The name in brackets may hold anything, brackets too.
  char* rest = strrchr(text, ')');
  if (rest == nullptr) return nullptr;
  Task task;
  unsigned long user, system;
  if (sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &task.state, &user,
             &system) != 3) {
    return nullptr;
  }
  task.cpu = user + system;
  return task;
}

// Every task of every process but our own.
std::map<std::pair<pid_t, pid_t>, Task> readTasks() {
  std::map<std::pair<pid_t, pid_t>, Task> result;
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return result;
  while (dirent* entry = readdir(proc)) {
    if (!isNumber(entry->d_name)) continue;
    pid_t pid = atoi(entry->d_name);
    if (pid == getpid()) continue;
    auto folder = kj::str("/proc/", pid, "/task");
    DIR* tasks = opendir(folder.cStr());
    if (tasks == nullptr) continue;
    while (dirent* task = readdir(tasks)) {
      if (!isNumber(task->d_name)) continue;
      KJ_IF_MAYBE (t, readTask(kj::str(folder, '/', task->d_name, "/stat").cStr())) {
        result[{pid, atoi(task->d_name)}] = *t;
      }
    }
    closedir(tasks);
  }
  closedir(proc);
  return result;
}

bool standsStill(const std::map<std::pair<pid_t, pid_t>, Task>& before,
                 const std::map<std::pair<pid_t, pid_t>, Task>& now) {
  for (auto& [id, task] : now) {
    if (strchr("TtZXD", task.state) == nullptr) return false;
    auto old = before.find(id);
    if (old == before.end() || old->second.cpu != task.cpu) return false;
  }
  return true;
}

}  // namespace

kj::Promise<kj::Maybe<kj::String>> Stopper::stop() {
  // Elsewhere "every process but me" would be the whole machine.
  if (getpid() != 1) co_return kj::str("not the init of a box");
  if (!isStopped) {
    stoppedBefore.clear();
    for (auto& [id, task] : readTasks()) {
      if (task.state == 'T') stoppedBefore.insert(id.first);
    }
    isStopped = true;
  }
  std::map<std::pair<pid_t, pid_t>, Task> before;
  for (int look = 0; look < MAX_LOOKS; look++) {
    // One call reaches them all, atomically against fork.
    kill(-1, SIGSTOP);
    auto now = readTasks();
    if (look > 0 && standsStill(before, now)) co_return nullptr;
    before = kj::mv(now);
    co_await timer.afterDelay(BETWEEN_LOOKS);
  }
  resume();
  co_return kj::str("processes kept running");
}

void Stopper::resume() {
  if (!isStopped) return;
  isStopped = false;
  DIR* proc = opendir("/proc");
  if (proc == nullptr) {
    kill(-1, SIGCONT);
    return;
  }
  while (dirent* entry = readdir(proc)) {
    if (!isNumber(entry->d_name)) continue;
    pid_t pid = atoi(entry->d_name);
    if (pid != getpid() && stoppedBefore.count(pid) == 0) kill(pid, SIGCONT);
  }
  closedir(proc);
}

}  // namespace sandbridge::localcloud::daemon
