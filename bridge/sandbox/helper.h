#pragma once
// Whether a sandbox has the helper and its keeper, and getting them there.

#include "tensorlake/client.h"

namespace sandbridge {

class SandboxUse;

// Of one sandbox; shared by all calls into it.
class HelperState {
 public:
  // `isNew`: the sandbox has just been made, so the helper is not there yet. Otherwise it most
  // likely is: the first command finds out.
  HelperState(kj::StringPtr sandboxId, bool isNew);

  // Resolves to whether the sandbox can run the helper, once that lies in its place as far as is
  // known. Costs nothing when it is known to be there. Racing calls share one installation. Throws
  // what keeps the sandbox from being reached.
  kj::Promise<bool> ready(SandboxUse& use, kj::Timer& timer);

  // A command found the helper missing, or no keeper.
  void missing();
  kj::Promise<void> startKeeper(SandboxUse& use);

  // It does not work here: commands go through the shell from now on.
  void giveUp(kj::StringPtr reason);
  bool usable() const { return state != UNUSABLE; }

  // The number of the keeper that answered last.
  void met(kj::StringPtr number);
  kj::Maybe<kj::StringPtr> keeper() const;

 private:
  enum State { ABSENT, PRESUMED, UNUSABLE };

  kj::String sandboxId;
  State state;
  bool installing = false;
  kj::Maybe<kj::ForkedPromise<void>> installation;

  kj::String keeperNumber;

  kj::Promise<void> install(SandboxUse& use, kj::Timer& timer);
};

// Whether a request that starts the helper failed because it is not there or cannot be run: nothing
// has been done then.
bool meansNoHelper(const kj::Exception& e);

}  // namespace sandbridge
