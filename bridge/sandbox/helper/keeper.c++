#include "sandbox/helper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "sandbox/helper/children.h"
#include "sandbox/helper/connection.h"
#include "sandbox/helper/launch.h"
#include "sandbox/helper/operation.h"
#include "sandbox/helper/protocol.h"
#include "sandbox/helper/seen-ids.h"

namespace sandbridge::helper {

namespace {

constexpr int MAX_RUNNING = 1024;
constexpr int MAX_CONNECTIONS = 1024;
// What ended commands have printed can be asked for again for so long, if there is room.
constexpr int64_t KEPT_MS = 120000;
constexpr size_t KEPT_BYTES = 16u << 20;
constexpr int KEPT_COMMANDS = 1024;
// Lines that wait for company wait no longer than this.
constexpr int HOLD_MS = 4;
constexpr int LOOK_MS = 30000;

int64_t now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t(t.tv_sec) * 1000 + t.tv_nsec / 1000000;
}

class Keeper final : public Handler {
 public:
  explicit Keeper(const char* folder) : folder(folder), listener(loop, *this, LISTENER), signals(loop, *this, SIGNALS) {}

  int run() {
    if (!loop.open() || !takePlace()) return 1;
    if (!listener.isOpen()) return 0;
    while (!isObsolete()) {
      bool holding = false;
      for (Operation* o = operations; o != nullptr; o = o->next) holding = holding || o->holdsBack();
      loop.turn(holding ? HOLD_MS : LOOK_MS);
      int64_t time = now();
      if (!holding) heldSince = time;
      bool late = time - heldSince >= HOLD_MS;
      takeRequests();
      for (Operation* o = operations; o != nullptr; o = o->next) o->send(late);
      if (late) heldSince = time;
      setAside(time);
    }
    return 0;
  }

  void ready(int which, uint32_t events) override {
    if (which == SIGNALS) collect();
    else accept();
  }

 private:
  enum { LISTENER, SIGNALS };

  const char* folder;
  Loop loop;
  Watched listener, signals;
  Children children;
  Descriptor lock;
  struct stat place = {};
  uint64_t number = 0;
  int64_t heldSince = 0, lookedAt = 0;
  Connection* connections = nullptr;
  int connectionCount = 0;
  Operation* operations = nullptr;  // running, or being read
  Operation* ended = nullptr;       // the oldest first
  Operation** lastEnded = &ended;
  size_t endedBytes = 0;
  int endedCount = 0;
  SeenIds seen;
  char* words[MAX_WORDS + 1];

  bool complain(const char* what) {
    dprintf(2, "%s: %s\n", what, strerror(errno));
    return false;
  }

  bool takePlace() {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    char name[sizeof address.sun_path];
    if (strlen(folder) + strlen(SOCKET_NAME) >= sizeof name) {
      errno = ENAMETOOLONG;
      return complain(folder);
    }
    sprintf(name, "%s%s", folder, LOCK_NAME);
    lock = Descriptor(open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!lock.isOpen()) return complain(name);
    if (flock(lock.get(), LOCK_EX | LOCK_NB) < 0) return errno == EWOULDBLOCK || complain(name);

    if (getrandom(&number, sizeof number, 0) != sizeof number) return complain("getrandom");
    sprintf(address.sun_path, "%s%s", folder, SOCKET_NAME);
    unlink(address.sun_path);
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    mode_t mask = umask(077);
    bool bound = bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    umask(mask);
    if (!bound || listen(socket.get(), 256) < 0 || stat(address.sun_path, &place) < 0) {
      return complain(address.sun_path);
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    Descriptor childSignals(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!childSignals.isOpen()) return complain("signalfd");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    // What detaches itself from its command becomes a child of the keeper: see children.h.
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

    Descriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null.isOpen()) return complain("/dev/null");
    for (int fd = 0; fd < 3; ++fd) dup2(null.get(), fd);
    if (chdir("/") < 0) return false;
    listener.take(static_cast<Descriptor&&>(socket));
    listener.want(EPOLLIN);
    signals.take(static_cast<Descriptor&&>(childSignals));
    signals.want(EPOLLIN);
    return true;
  }

  // Somebody has removed the helper's folder: nobody can reach this keeper any more.
  bool isObsolete() {
    if (operations != nullptr || connections != nullptr || now() - lookedAt < LOOK_MS) return false;
    lookedAt = now();
    // They end with the keeper, where TensorLake ends all that a process has started.
    if (Children::any()) return false;
    char name[sizeof(sockaddr_un::sun_path)];
    sprintf(name, "%s%s", folder, SOCKET_NAME);
    struct stat st;
    return lstat(name, &st) < 0 || st.st_ino != place.st_ino || st.st_dev != place.st_dev;
  }

  void accept() {
    while (connectionCount < MAX_CONNECTIONS) {
      int fd = accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) break;
      auto connection = new Connection(loop, Descriptor(fd));
      connection->next = connections;
      connections = connection;
      ++connectionCount;
      connection->ready(0, EPOLLIN);  // most often the request is there already
    }
    if (connectionCount == MAX_CONNECTIONS) listener.want(0);
  }

  void takeRequests() {
    for (Connection** link = &connections; *link != nullptr;) {
      Connection* connection = *link;
      if (connection->state == Connection::COMING) {
        link = &connection->next;
        continue;
      }
      *link = connection->next;
      --connectionCount;
      if (connection->state == Connection::WHOLE) take(*connection);
      delete connection;
    }
    if (connectionCount < MAX_CONNECTIONS) listener.want(EPOLLIN);
  }

  void take(Connection& connection) {
    auto& out = connection.streams[1];
    auto& err = connection.streams[2];
    auto answer = [&](const char* line) {
      dprintf(out.get(), "%s\n", line);
      char done = 'd';
      if (write(connection.socket.get(), &done, 1) < 0) {}  // nobody waits any more
    };
    Request request;
    long count = splitWords(connection.block, connection.size, words);
    const char* wrong = count < 0 ? "the words" : parseRequest(words, count, request);
    if (wrong != nullptr) {
      dprintf(err.get(), "malformed request: %s\n", wrong);
      return answer("f");
    }
    Operation* operation = find(request.id);
    if (operation == nullptr) {
      if (seen.contains(request.id)) return answer("r");
      if (request.join || (request.hasOnly && request.only != number)) return answer("n");
      if (children.commands >= MAX_RUNNING) {
        dprintf(err.get(), "%d commands are running already\n", MAX_RUNNING);
        return answer("f");
      }
      Workdir workdir = enter(request);
      if (workdir != Workdir::GOOD) {
        return answer(workdir == Workdir::MISSING          ? "w missing"
                      : workdir == Workdir::NOT_A_DIRECTORY ? "w file"
                                                            : "w denied");
      }
      Descriptor null;
      if (!request.keepStdin) null = Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC));
      auto fresh = new Operation(loop, request.id, number, children);
      bool started = fresh->start(request, words, request.keepStdin ? connection.streams[0].get() : null.get());
      int error = errno;
      if (chdir("/") < 0) {}  // it is always there
      if (!started) {
        delete fresh;
        dprintf(err.get(), "%s\n", strerror(error));
        return answer("f");
      }
      seen.add(request.id);
      ++children.commands;
      fresh->next = operations;
      operations = operation = fresh;
    }
    Descriptor socket(fcntl(connection.socket.get(), F_DUPFD_CLOEXEC, 3));
    if (!operation->attach(request, static_cast<Descriptor&&>(socket), static_cast<Descriptor&&>(out),
                           static_cast<Descriptor&&>(err))) {
      return answer("r");
    }
  }

  void collect() {
    signalfd_siginfo info;
    while (read(signals.get(), &info, sizeof info) > 0) {}
    for (;;) {
      siginfo_t child = {};
      if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) < 0 || child.si_pid == 0) return;
      for (Operation* o = operations; o != nullptr; o = o->next) {
        if (!o->isRunning() || o->pid != child.si_pid) continue;
        o->exited(child.si_code != CLD_EXITED, child.si_status);
        --children.commands;
      }
      waitpid(child.si_pid, nullptr, 0);
    }
  }

  // Sets those aside that have ended, and drops what ended long ago, or the oldest when there is
  // too much.
  void setAside(int64_t time) {
    for (Operation** link = &operations; *link != nullptr;) {
      Operation* operation = *link;
      if (!operation->isOver() || operation->isRead()) {
        link = &operation->next;
        continue;
      }
      *link = operation->next;
      operation->next = nullptr;
      operation->endedAt = time;
      endedBytes += operation->memory();
      ++endedCount;
      *lastEnded = operation;
      lastEnded = &operation->next;
    }
    while (ended != nullptr && (endedBytes > KEPT_BYTES || endedCount > KEPT_COMMANDS ||
                                time - ended->endedAt > KEPT_MS)) {
      dropOldest();
    }
  }

  void dropOldest() {
    Operation* operation = ended;
    ended = operation->next;
    if (ended == nullptr) lastEnded = &ended;
    endedBytes -= operation->memory();
    --endedCount;
    delete operation;
  }

  // An ended one is among the running ones again while somebody reads it.
  Operation* find(Id id) {
    for (Operation* o = operations; o != nullptr; o = o->next) {
      if (o->id == id) return o;
    }
    for (Operation** link = &ended; *link != nullptr; link = &(*link)->next) {
      Operation* operation = *link;
      if (!(operation->id == id)) continue;
      *link = operation->next;
      if (operation->next == nullptr) lastEnded = link;
      endedBytes -= operation->memory();
      --endedCount;
      operation->next = operations;
      return operations = operation;
    }
    return nullptr;
  }
};

}  // namespace

int keep(const char* folder) { return (new Keeper(folder))->run(); }

}  // namespace sandbridge::helper
