#pragma once
// The server's side of daemon/control.h, and what can be known about a daemon that does not answer.

#include <kj/async-io.h>
#include <kj/io.h>

namespace sandbridge::localcloud {

// A packet with a descriptor attached, as the launcher and the daemon send it. Absent at the end of the stream.
struct Packet {
  kj::String text;
  kj::AutoCloseFd fd;  // may be none
};
kj::Maybe<Packet> receivePacket(int socket);  // does not block; throws when there is nothing yet

// "hello" and so on. Rejects when there is no answer within `deadline`.
kj::Promise<Packet> askDaemon(kj::AsyncIoContext& io, kj::StringPtr folder, kj::String request,
                              kj::Duration deadline);

// A connection to one of the box's sockets.
kj::Promise<kj::Own<kj::AsyncIoStream>> connectTo(kj::LowLevelAsyncIoProvider& io,
                                                  kj::StringPtr folder, kj::StringPtr name);

// Whether a process holds the box's lock: then its daemon lives.
bool isLocked(kj::StringPtr folder);

// A pidfd of the daemon without its help, for one that is frozen. Safe against reused numbers: the process has the recorded
// pid namespace, and the lock was held after the descriptor was opened.
kj::Maybe<kj::AutoCloseFd> findDaemon(kj::StringPtr folder, uint64_t pidNamespace);

}  // namespace sandbridge::localcloud
