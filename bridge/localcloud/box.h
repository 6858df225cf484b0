#pragma once
// One local sandbox as the control plane sees it: a Linux container with our daemon as its pid 1. A box outlives the
// server that started it: after a crash the next server adopts it.

#include <kj/async-io.h>
#include <kj/common.h>
#include <kj/filesystem.h>
#include <kj/string.h>

#include "localcloud/network-policy.h"

namespace sandbridge::localcloud {

struct BoxSpec {
  kj::String id;        // [a-z0-9]{1,40}; also the container's host name
  double cpus = 1;
  uint32_t memoryMb = 1024;
  uint32_t diskMb = 10240;
  NetworkPolicy network;
  kj::String snapshot;  // a fresh box starts on the files of this one; empty: on none
  kj::String log;  // absolute: what the names of the files begin with that hold its processes' output; empty: none
};

class Box {
 public:
  virtual ~Box() noexcept(false) {}  // lets go of the box; does not end it

  virtual kj::StringPtr id() = 0;

  // A new connection to the daemon, which speaks HTTP/1.1 `/api/v1` on it.
  virtual kj::Promise<kj::Own<kj::AsyncIoStream>> connect() = 0;

  // A connection to what listens on this port of the box's own 127.0.0.1, or else ::1. Rejects with UNAVAILABLE when nothing
  // does, and when it does not answer within seconds. Works whatever the network policy says.
  virtual kj::Promise<kj::Own<kj::AsyncIoStream>> connectPort(uint16_t port) = 0;

  // Enforced when it resolves, on what runs already too: open connections to what is closed now end with their next packet. When
  // it is rejected, the box reaches what it did before, or less. FAILED says what is missing when this machine cannot enforce it.
  virtual kj::Promise<void> setNetwork(NetworkPolicy policy) = 0;

  // Stops every process in the box and proves it, or rejects and leaves it running. Written to disk before it is done.
  virtual kj::Promise<void> freeze() = 0;
  virtual kj::Promise<void> thaw() = 0;

  // The same for a moment: a server that adopts a paused box lets it go on. thaw() does, too.
  virtual kj::Promise<void> pause() = 0;
  virtual kj::Promise<void> unpause() = 0;

  // Ends every process; resolves when none is left. Works on a frozen box. Idempotent.
  virtual kj::Promise<void> end() = 0;

  // Resolves when the box has ended, whoever ended it. Call once.
  virtual kj::Promise<void> onEnd() = 0;
};

struct AdoptedBox {
  kj::String id;
  kj::Maybe<kj::Own<Box>> box;  // none: its processes are gone, its files are kept
  bool frozen = false;
};

struct SnapshotFacts {
  uint64_t bytes = 0;   // of all files in it, holes included
  uint64_t files = 0;
  uint64_t copied = 0;  // files that had to be copied: the others are shared with the box's snapshot before
  kj::Duration paused = 0 * kj::SECONDS;  // how long the box stood still
};

class Boxes {
 public:
  virtual ~Boxes() noexcept(false) {}

  // Starts a box with fresh files, or on the files that a box of this id left. Resolves when its daemon answers.
  virtual kj::Promise<kj::Own<Box>> start(BoxSpec spec) = 0;

  // Why boxes cannot have such a network on this machine; none: they can. A box that is only to have the internet, without
  // lists, starts all the same, and has none.
  virtual kj::Maybe<kj::String> whyNotEnforced(const NetworkPolicy& policy) = 0;

  // What earlier servers left under this directory; half-made boxes are removed. Call once, first.
  virtual kj::Promise<kj::Array<AdoptedBox>> adopt() = 0;

  // Removes the files of an ended box. Answers once they are out of the way; deletes in the background.
  virtual kj::Promise<void> remove(kj::StringPtr id) = 0;

  // Copies what a box has written to a new snapshot, `snapshot` being its id. `running` is the box while it runs: it is
  // paused for a moment. None when its processes are gone or frozen; it must not be started or thawed meanwhile. Resolves
  // when boxes can be started on the snapshot; rejects and leaves nothing. One at a time for each box.
  virtual kj::Promise<SnapshotFacts> takeSnapshot(kj::StringPtr id, kj::String snapshot,
                                                  kj::Maybe<Box&> running) = 0;

  // Resolves when the snapshot survives a power failure.
  virtual kj::Promise<void> makeDurable(kj::StringPtr snapshot) = 0;

  // No new box will start on it. Its files go with the last box and the last snapshot that stand on it.
  virtual void forgetSnapshot(kj::StringPtr snapshot) = 0;

  // After adopt(): forgets all snapshots but these, and answers those of them whose files are there.
  virtual kj::Array<kj::String> keepSnapshots(kj::ArrayPtr<const kj::String> snapshots) = 0;
};

// `dir` is made (mode 0700) if need be. Throws when isolation is impossible here, naming what is missing and how to get
// it. Only one server at a time may use a directory: a second one is told so.
kj::Promise<kj::Own<Boxes>> newBoxes(kj::AsyncIoContext& io, kj::StringPtr dir);

}  // namespace sandbridge::localcloud
