#pragma once
// The in-sandbox daemon in a child process of the test, outside of any box.

#include <catch2/catch.hpp>

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "box-support.h"
#include "localcloud/daemon/server.h"

namespace sandbridge::localcloud::test {

class Daemon {
 public:
  TemporaryFolder folder;

  explicit Daemon(daemon::TerminalTimes terminalTimes = {}) {
    int http = listenAt("http.sock"), control = listenAt("control.sock");
    int status[2];
    KJ_SYSCALL(pipe(status));
    child = fork();
    KJ_REQUIRE(child >= 0);
    if (child == 0) {
      close(status[0]);
      KJ_SYSCALL(chdir(folder.path.cStr()));
      daemon::DaemonOptions options{http, control, status[1], kj::str("test"), -1, false,
                                    kj::str(folder.path)};
      options.terminalTimes = terminalTimes;
      _exit(daemon::daemonMain(kj::mv(options)));
    }
    close(http);
    close(control);
    close(status[1]);
    kj::FdInputStream in((kj::AutoCloseFd(status[0])));
    KJ_REQUIRE(in.readAllText() == "ready");
    io = kj::heap(kj::setupAsyncIo());
  }
  ~Daemon() {
    kill(child, SIGSTOP);  // nothing new is started while we look
    killCommands();
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }

  kj::AsyncIoContext& context() { return *io; }
  kj::WaitScope& scope() { return io->waitScope; }
  kj::Timer& timer() { return io->provider->getTimer(); }

  kj::Own<kj::AsyncIoStream> connect() {
    return io->provider->getNetwork()
        .parseAddress(kj::str("unix:", folder.path, "/http.sock"))
        .wait(scope())
        ->connect()
        .wait(scope());
  }
  Answer request(kj::HttpMethod method, kj::StringPtr url, kj::StringPtr body = "",
                 kj::StringPtr type = "application/json") {
    return ask(connect(), method, kj::str("/api/v1", url), kj::str(body), type).wait(scope());
  }
  RunResult run(kj::StringPtr script, kj::StringPtr more = "") {
    auto answer = request(kj::HttpMethod::POST, "/processes/run", shellRequest(script, more));
    KJ_REQUIRE(answer.status == 200, answer.status, answer.body);
    KJ_REQUIRE(answer.contentType == "text/event-stream");
    return parseRun(answer.body);
  }
  // Starts a shell command, returns its pid as text.
  kj::String start(kj::StringPtr script, kj::StringPtr more = "") {
    auto answer = request(kj::HttpMethod::POST, "/processes", shellRequest(script, more));
    KJ_REQUIRE(answer.status == 201, answer.status, answer.body);
    rapidjson::Document json;
    json.Parse(answer.body.cStr());
    return kj::str(json["pid"].GetInt());
  }
  // GET of a process until it has ended.
  kj::String ended(kj::StringPtr pid) {
    for (int i = 0; i < 500; i++) {
      auto answer = request(kj::HttpMethod::GET, kj::str("/processes/", pid));
      if (strstr(answer.body.cStr(), "\"status\":\"running\"") == nullptr) return kj::mv(answer.body);
      timer().afterDelay(10 * kj::MILLISECONDS).wait(scope());
    }
    KJ_FAIL_REQUIRE("still running");
  }

 private:
  pid_t child;
  kj::Own<kj::AsyncIoContext> io;

  // No namespace ends them with the daemon here. Each command leads a group of its own.
  void killCommands() {
    DIR* proc = opendir("/proc");
    while (dirent* entry = readdir(proc)) {
      FILE* file = fopen(kj::str("/proc/", entry->d_name, "/stat").cStr(), "re");
      if (file == nullptr) continue;
      int pid, parent;
      if (fscanf(file, "%d (%*[^)]) %*c %d", &pid, &parent) == 2 && parent == child) {
        kill(-pid, SIGKILL);
      }
      fclose(file);
    }
    closedir(proc);
  }

  int listenAt(kj::StringPtr name) {
    int fd;
    KJ_SYSCALL(fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, kj::str(folder.path, '/', name).cStr());
    KJ_SYSCALL(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address));
    return fd;
  }
};

inline bool contains(kj::StringPtr text, kj::StringPtr part) {
  return strstr(text.cStr(), part.cStr()) != nullptr;
}

}  // namespace sandbridge::localcloud::test
