#pragma once
// Where folders go that are not needed any more: out of the way at once, deleted in the background, by a process of its own.

#include <kj/async-io.h>
#include <kj/string.h>

namespace sandbridge::localcloud {

class Trash final : private kj::TaskSet::ErrorHandler {
 public:
  // `dir` is made if need be. `image` is the embedded executable.
  Trash(kj::AsyncIoContext& io, kj::StringPtr dir, int image);
  KJ_DISALLOW_COPY(Trash);

  // Throws when it cannot be moved; one that is not there is fine. `folder` must be on the file system of `dir`.
  void discard(kj::StringPtr folder);

  // Deletes what is there, also what an earlier server left.
  void sweep();

 private:
  kj::AsyncIoContext& io;
  kj::String dir;
  int image;
  bool sweeping = false, sweepAgain = false;
  kj::TaskSet tasks;

  kj::Promise<void> sweepAll();
  void taskFailed(kj::Exception&& e) override;
};

}  // namespace sandbridge::localcloud
