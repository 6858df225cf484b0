#pragma once
// Cap'n Proto messages in binary WebSocket frames: one or more a frame, back to back. What is written is sent when the
// event loop has nothing else to do; a failure to send it is told by later writes, and by the reading end.
// Instead of capnp::WebSocketMessageStream, whose 0.9.2 end() always throws, whose size limit is the
// traversal limit, and which keeps the streaming window at 64 KiB.

#include <capnp/serialize-async.h>
#include <kj/compat/http.h>

namespace sandbridge {

// `maxFrame`: bytes of the longest frame accepted. `window`: bytes of streaming calls in flight.
// The socket must outlive the stream. Malformed frames reject the read; they never reach the RPC system.
kj::Own<capnp::MessageStream> newWebSocketStream(kj::WebSocket& socket, size_t maxFrame, size_t window);

}  // namespace sandbridge
