#include "sandbox/helper/end.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

namespace sandbridge::helper {

namespace {

constexpr int GRACE_MS = 3000, LOOK_MS = 20;

}  // namespace

int signalGroup(int group, int number) {
  return kill(-group, number) == 0 || errno == ESRCH ? 0 : 1;
}

int endGroup(int group) {
  if (kill(-group, SIGTERM) < 0) return errno == ESRCH ? 0 : 1;
  for (int passed = 0; passed < GRACE_MS; passed += LOOK_MS) {
    timespec pause = {0, LOOK_MS * 1000000};
    nanosleep(&pause, nullptr);
    if (kill(-group, 0) < 0 && errno == ESRCH) return 0;
  }
  kill(-group, SIGKILL);
  return 0;
}

}  // namespace sandbridge::helper
