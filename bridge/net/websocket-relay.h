#pragma once
// Two WebSockets passed on to each other, as a proxy does.

#include <kj/compat/http.h>
#include <kj/function.h>
#include <kj/timer.h>

namespace sandbridge {

// Each direction goes at the pace of its reader: one message is under way in it at a time, and none is queued. Messages of
// more than MAX_MESSAGE bytes close both sides with code 1009. Pings are not passed on: each connection answers its own.
class WebSocketRelay {
 public:
  static constexpr size_t MAX_MESSAGE = 1u << 20;

  // `onMessage` is called for each message, in whichever direction.
  WebSocketRelay(kj::Own<kj::WebSocket> a, kj::Own<kj::WebSocket> b, kj::Timer& timer,
                 kj::Function<void()> onMessage);
  KJ_DISALLOW_COPY(WebSocketRelay);

  // Resolves when both sides have said that they close, or one has and five seconds have passed, or one has broken off or
  // broken the protocol and the other was told so with code 1001 or 1002. Never rejects. Call once.
  kj::Promise<void> run();

  // When run() was dropped: tells the sides that can still be told that they are closed. Takes at most a second, never
  // rejects. `reason` has at most 123 bytes.
  kj::Promise<void> close(uint16_t code, kj::StringPtr reason);

 private:
  struct Side {
    kj::Own<kj::WebSocket> socket;
    bool sending = false;  // stays so when the send was dropped: nothing may follow half a message
    bool closed = false;   // we have told it
  };

  Side a, b;
  kj::Timer& timer;
  kj::Function<void()> onMessage;

  bool broken = false;

  kj::Promise<void> pass(Side& from, Side& to);
  // False after a close frame.
  kj::Promise<bool> passOne(Side& from, Side& to);
  kj::Promise<void> tell(Side& side, uint16_t code, kj::StringPtr reason);
};

}  // namespace sandbridge
