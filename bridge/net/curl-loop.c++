#include "net/curl-loop.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include <kj/debug.h>

namespace sandbridge {
namespace {

// Kept alive. By itself curl keeps four for each request under way: hardly any when a burst is over, to be made again for
// the next one.
constexpr long MAX_KEPT_CONNECTIONS = 256;

// Handles kept for later requests, each with a buffer of 64 KiB.
constexpr size_t MAX_UNUSED = 64;

int newEpoll() {
  int fd;
  KJ_SYSCALL(fd = epoll_create1(EPOLL_CLOEXEC));
  return fd;
}

}  // namespace

CurlLoop::CurlLoop(kj::UnixEventPort& port, kj::Timer& timer)
    : timer(timer),
      inner(newEpoll()),
      observer(port, inner, kj::UnixEventPort::FdObserver::OBSERVE_READ) {
  KJ_REQUIRE(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, "libcurl cannot be initialized");
  multi = curl_multi_init();
  KJ_REQUIRE(multi != nullptr, "libcurl cannot be initialized");
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &onSocket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &onTimer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
  curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, long(MAX_HOST_CONNECTIONS));
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, MAX_KEPT_CONNECTIONS);
  loop = run().eagerlyEvaluate([](kj::Exception&& e) {
    logError("the HTTP client's loop broke: ", textOf(e));
  });
}

CurlLoop::~CurlLoop() noexcept(false) {
  loop = nullptr;
  timerTask = nullptr;
  for (auto easy : unused) curl_easy_cleanup(easy);
  curl_multi_cleanup(multi);
  curl_global_cleanup();
}

CURL* CurlLoop::takeHandle() {
  if (unused.size() > 0) {
    auto easy = unused.back();
    unused.removeLast();
    return easy;
  }
  auto easy = curl_easy_init();
  KJ_REQUIRE(easy != nullptr, "libcurl cannot make a handle");
  return easy;
}

void CurlLoop::giveBack(CURL* easy) noexcept {
  if (unused.size() >= MAX_UNUSED) {
    curl_easy_cleanup(easy);
    return;
  }
  curl_easy_reset(easy);
  unused.add(easy);
}

void CurlLoop::add(CURL* easy, Owner& owner) {
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &owner);
  auto code = curl_multi_add_handle(multi, easy);
  KJ_REQUIRE(code == CURLM_OK, "libcurl refuses the request", curl_multi_strerror(code));
  kick();
}

void CurlLoop::remove(CURL* easy) {
  curl_multi_remove_handle(multi, easy);
  kick();
}

void CurlLoop::kick() {
  kicked = true;
  KJ_IF_MAYBE (f, waker) { (*f)->fulfill(); }
}

int CurlLoop::onSocket(CURL*, curl_socket_t fd, int what, void* self, void* known) {
  auto& loop = *static_cast<CurlLoop*>(self);
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(loop.inner, EPOLL_CTL_DEL, fd, nullptr);  // fails if curl closed it before: fine
    curl_multi_assign(loop.multi, fd, nullptr);
    return 0;
  }
  epoll_event event{};
  event.data.fd = fd;
  if (what & CURL_POLL_IN) event.events |= EPOLLIN;
  if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
  if (known == nullptr || epoll_ctl(loop.inner, EPOLL_CTL_MOD, fd, &event) < 0) {
    if (epoll_ctl(loop.inner, EPOLL_CTL_ADD, fd, &event) < 0 && errno != EEXIST) {
      // Out of memory or of watches. The transfer's own deadlines end it.
      logError("a connection cannot be watched: ", strerror(errno));
      return 0;
    }
    curl_multi_assign(loop.multi, fd, self);
  }
  return 0;
}

int CurlLoop::onTimer(CURLM*, long ms, void* self) {
  auto& loop = *static_cast<CurlLoop*>(self);
  if (ms < 0) {
    loop.timerTask = nullptr;
  } else {
    loop.timerTask = loop.timer.afterDelay(ms * kj::MILLISECONDS)
                         .then([&loop]() {
                           loop.timerDue = true;
                           loop.kick();
                         })
                         .eagerlyEvaluate(nullptr);
  }
  return 0;
}

kj::Promise<void> CurlLoop::run() {
  for (;;) {
    if (kicked) {
      co_await kj::evalLater([]() {});  // lets other events run first
    } else {
      auto paf = kj::newPromiseAndFulfiller<void>();
      waker = kj::mv(paf.fulfiller);
      co_await observer.whenBecomesReadable().exclusiveJoin(kj::mv(paf.promise));
      waker = nullptr;
    }
    step();
  }
}

void CurlLoop::step() {
  kicked = false;
  int running;
  if (timerDue) {
    timerDue = false;
    curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
  }
  epoll_event events[64];
  int n = epoll_wait(inner, events, 64, 0);
  for (int i = 0; i < n; i++) {
    int mask = ((events[i].events & EPOLLIN) ? CURL_CSELECT_IN : 0) |
               ((events[i].events & EPOLLOUT) ? CURL_CSELECT_OUT : 0) |
               ((events[i].events & (EPOLLERR | EPOLLHUP)) ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(multi, events[i].data.fd, mask, &running);
  }
  int left;
  while (auto message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    auto easy = message->easy_handle;
    auto code = message->data.result;
    char* owner;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
    curl_multi_remove_handle(multi, easy);
    reinterpret_cast<Owner*>(owner)->ended(code);
  }
  // The observer tells edges only, so look again until nothing is ready.
  if (n > 0) kicked = true;
}

}  // namespace sandbridge
