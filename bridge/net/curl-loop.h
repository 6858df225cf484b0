#pragma once
// libcurl's multi interface on the KJ event loop.
//
// KJ's FdObserver is edge-triggered while libcurl expects level-triggered readiness (it reads one buffer and goes back to
// wait), so curl's sockets sit in an inner, level-triggered epoll set and KJ observes only that set. That also spares an
// FdObserver a socket, and outliving sockets that curl closes by itself.
//
// Everything of curl is called from step() or from plain KJ continuations; curl's callbacks run nobody else's code.

#include <curl/curl.h>

#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <kj/refcount.h>
#include <kj/timer.h>
#include <kj/vector.h>

namespace sandbridge {

// One host serves all of the local cloud's sandboxes, and each running command holds a connection.
constexpr unsigned MAX_HOST_CONNECTIONS = 256;

class CurlLoop final : public kj::Refcounted {
 public:
  // What a handle in the loop belongs to (its CURLOPT_PRIVATE).
  class Owner {
   public:
    // The transfer has ended and its handle is out of the loop.
    virtual void ended(CURLcode code) = 0;
  };

  CurlLoop(kj::UnixEventPort& port, kj::Timer& timer);
  ~CurlLoop() noexcept(false);
  KJ_DISALLOW_COPY(CurlLoop);

  // A handle with default options, perhaps a used one: making one costs more than a small request. `giveBack` it when it is
  // out of the loop.
  CURL* takeHandle();
  void giveBack(CURL* easy) noexcept;

  void add(CURL* easy, Owner& owner);
  void remove(CURL* easy);

  // To be called when curl was told something from outside of its callbacks (curl_easy_pause).
  void kick();

  kj::Timer& timer;

  // What the last URL began with ("http://host:port/"), and its host, which is costly to find.
  struct KnownOrigin {
    kj::String prefix, host;
  } knownOrigin;

 private:
  kj::AutoCloseFd inner;
  kj::UnixEventPort::FdObserver observer;
  CURLM* multi;
  kj::Vector<CURL*> unused;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> waker;
  bool kicked = false;
  bool timerDue = false;
  kj::Promise<void> timerTask = nullptr;
  kj::Promise<void> loop = nullptr;

  static int onSocket(CURL*, curl_socket_t fd, int what, void* self, void* known);
  static int onTimer(CURLM*, long ms, void* self);
  kj::Promise<void> run();
  void step();
};

}  // namespace sandbridge
