#pragma once
// One box that runs: its end, its freezing, and the ways into it.

#include "localcloud/box-server.h"

#include <kj/async-unix.h>

namespace sandbridge::localcloud {

class RunningBox final : public Box {
 public:
  RunningBox(kj::Own<BoxServer> server, BoxRecord record, kj::AutoCloseFd pidfd);
  // A box whose starter gave up before it could take it is nobody's: it ends, and so do the files that it made.
  ~RunningBox() noexcept(false);

  void take() { taken = true; }
  void setFresh() { isFresh = true; }

  // After adoption: the server may have died between writing "frozen" and freezing. False: it runs.
  kj::Promise<bool> confirmFrozen();

  kj::StringPtr id() override { return record.id; }
  kj::Promise<kj::Own<kj::AsyncIoStream>> connect() override;
  kj::Promise<kj::Own<kj::AsyncIoStream>> connectPort(uint16_t port) override;
  kj::Promise<void> setNetwork(NetworkPolicy policy) override;
  kj::Promise<void> freeze() override;
  kj::Promise<void> pause() override;
  kj::Promise<void> unpause() override;
  kj::Promise<void> thaw() override;
  kj::Promise<void> end() override;
  kj::Promise<void> onEnd() override { return ended.addBranch(); }

 private:
  kj::Own<BoxServer> server;
  kj::String folder;
  BoxRecord record;
  kj::AutoCloseFd pidfd;
  kj::UnixEventPort::FdObserver observer;
  kj::ForkedPromise<void> ended;
  bool taken = false, isFresh = false;

  kj::Promise<void> watch();
  void setState(kj::StringPtr state);
  kj::Promise<void> ask(kj::StringPtr request, kj::StringPtr expected);
  kj::Promise<void> freezeOrUndo();
  kj::Promise<void> undoFreeze();
};

// Frozen, or paused for a snapshot.
bool standsStill(const BoxRecord& record);
kj::Vector<BoxRecord::Group> groupsOf(const BoxRecord& record);

}  // namespace sandbridge::localcloud
