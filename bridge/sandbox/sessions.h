#pragma once
// Which session owns which sandbox. The name of a sandbox is derived from its root session's id, so
// nothing here is state that could be lost: all of it is a cache of what TensorLake answers.

#include "tensorlake/client.h"
#include "tools/workspace.h"

#include <kj/refcount.h>

namespace sandbridge {

struct SandboxOptions {  // zero and empty: the bridge's defaults
  kj::String image;
  double cpus = 0;
  uint32_t memoryMb = 0;
  uint32_t diskMb = 0;
  uint32_t timeoutSecs = 0;
};

struct SessionInfo {
  kj::String id;
  kj::String sandboxName;
  kj::String sandboxId;
  kj::String status;  // "none" or TensorLake's word
  int64_t createdAt = 0;
};

enum class SessionEventKind { CREATED, RESUMED, CONNECTED, LOST, SUSPENDED, DELETED, LISTENING };

struct SessionEvent {
  kj::StringPtr sessionId;
  SessionEventKind kind;
  kj::StringPtr text;
  uint16_t port = 0;  // of LISTENING
};

class SessionObserver {
 public:
  virtual void sessionEvent(const SessionEvent& event) = 0;
  // Whether it is for LISTENING too: without anybody like that, nobody looks for ports.
  virtual bool hearsOfPorts() const { return false; }
};

// `opencode-` + the id, lower-cased and made safe, at most 63 characters. Two ids never share a
// name: a hash goes in whenever characters had to be replaced, lowered or cut.
kj::String sandboxName(kj::StringPtr rootSessionId);

// One root session. Its sandbox is made on first use, found again by name, resumed when suspended.
class Session : public kj::Refcounted {
 public:
  virtual kj::Promise<SessionInfo> prepare() = 0;  // idempotent; racing calls share one creation
  virtual kj::Promise<SessionInfo> info() = 0;     // creates and resumes nothing
  virtual kj::Promise<void> suspend() = 0;
  virtual kj::Promise<void>
  destroy() = 0;                       // waits for calls under way, 30 s at most, then cuts them
  virtual Workspace& workspace() = 0;  // each use holds a lease; lives as long as the session
};

class Sessions {
 public:
  virtual ~Sessions() noexcept(false) {}

  // No I/O. Throws INVALID_ARGUMENT for an empty or longer than 64 KiB id.
  virtual kj::Own<Session> get(kj::StringPtr rootSessionId, SandboxOptions options) = 0;
  virtual kj::Promise<kj::Array<SessionInfo>> list() = 0;
  // The observer must be removed before it is destroyed.
  virtual void addObserver(SessionObserver& observer) = 0;
  virtual void removeObserver(SessionObserver& observer) = 0;
};

kj::Own<Sessions> newSessions(tensorlake::Client& client, kj::Timer& timer);

}  // namespace sandbridge
