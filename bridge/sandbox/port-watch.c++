#include "sandbox/port-watch.h"

#include "base/error.h"
#include "sandbox/access.h"
#include "sandbox/helper-requests.h"

namespace sandbridge {

namespace {

using tensorlake::ProcessEvent;

// A command that ends sooner has hardly begun to listen itself; what it leaves behind is another matter.
constexpr kj::Duration SHORT_COMMAND = 500 * kj::MILLISECONDS;
// How long what was left behind may take to begin.
constexpr kj::Duration AFTERWARDS = 30 * kj::SECONDS;
// An answer that is to be waited for goes before the first look.
constexpr kj::Duration HEAD_START = 50 * kj::MILLISECONDS;
// One request's time. What it is for may be over sooner.
constexpr unsigned REQUEST_MS = 10000;
constexpr kj::Duration REQUEST_TIMEOUT = 20 * kj::SECONDS;
// After a request that failed, or ended before its time.
constexpr kj::Duration PAUSE = 5 * kj::SECONDS;
constexpr size_t MAX_PORTS = 64;
// What a sandbox says is not to be believed: so much is passed on while one watch lasts.
constexpr unsigned MAX_TOLD = 64;
// TensorLake's own daemon, in each sandbox.
constexpr uint16_t DAEMON_PORT = 9501;

// As the helper does it, slower. $1: the number of looks
constexpr kj::StringPtr PORTS_SCRIPT = R"sh(
look() {
  n=0
  for table in /proc/net/tcp /proc/net/tcp6; do
    { while [ "$n" -lt 64 ] && read -r _ address _ state _; do
      [ "$state" = 0A ] || continue
      n=$((n + 1))
      printf ' %s' "$((0x${address##*:}))"
    done <"$table"; } 2>/dev/null
  done
}
naps=$1 before= told=none
while [ "$naps" -gt 0 ]; do
  now=$(look)
  if [ "$now" = "$before" ] && [ "$now" != "$told" ]; then
    printf 'l%s\n' "$now" || exit 0
    told=$now
  fi
  before=$now
  sleep 1
  naps=$((naps - 1))
done
)sh"_kj;

tensorlake::ProcessRequest shellPortsRequest() {
  tensorlake::ProcessRequest request;
  request.command = kj::str("sh");
  request.args = kj::arr(kj::str("-c"), kj::heapString(PORTS_SCRIPT), kj::str("sh"),
                         kj::str(REQUEST_MS / 1000));
  request.workingDir = kj::str("/");
  return request;
}

}  // namespace

kj::Maybe<std::set<uint16_t>> parsePorts(kj::StringPtr line) {
  if (line.size() == 0 || line[0] != 'l') return nullptr;
  std::set<uint16_t> ports;
  size_t i = 1;
  while (i < line.size() && ports.size() < MAX_PORTS) {
    if (line[i] != ' ') return nullptr;
    uint32_t port = 0;
    size_t digits = 0;
    for (++i; i < line.size() && line[i] >= '0' && line[i] <= '9'; ++i) {
      port = port * 10 + (line[i] - '0');
      if (++digits > 5) return nullptr;
    }
    if (port == 0 || port > 65535) return nullptr;
    ports.insert(static_cast<uint16_t>(port));
  }
  return kj::mv(ports);
}

PortWatch::Command PortWatch::commandRuns() {
  running.push_back(access.timer().now());
  begin();
  return Command(*this, std::prev(running.end()));
}

void PortWatch::commandLeftBehind() {
  until = access.timer().now() + AFTERWARDS;
  begin();
}

void PortWatch::begin() {
  if (watching || !listener.isWanted()) return;
  watching = true;
  access.background(watch());
}

kj::Promise<void> PortWatch::watch() {
  KJ_DEFER(watching = false);
  auto& timer = access.timer();
  told = 0;
  co_await timer.afterDelay(HEAD_START);
  for (;;) {
    auto now = timer.now();
    bool afterwards = false;
    KJ_IF_MAYBE (u, until) afterwards = now < *u;
    if (!afterwards) {
      if (running.empty()) co_return;
      auto due = running.front() + SHORT_COMMAND;
      if (now < due) {
        co_await timer.atTime(due);
        continue;
      }
    }
    if (!listener.isWanted()) co_return;
    try {
      co_await access.cuts().wrap(timer.timeoutAfter(REQUEST_TIMEOUT, ask()));
    } catch (kj::Exception&) {
      // What is wrong with the sandbox shows at its commands; this is only a notice that is late.
    }
    if (timer.now() < now + REQUEST_MS * kj::MILLISECONDS / 2) co_await timer.afterDelay(PAUSE);
  }
}

kj::Promise<void> PortWatch::ask() {
  auto sandbox = access.peek();
  if (sandbox == nullptr) throwError(ErrorKind::UNAVAILABLE, "the sandbox does not run.");
  auto& use = *KJ_ASSERT_NONNULL(sandbox);
  if (sandboxId != use.sandboxId()) {
    sandboxId = kj::heapString(use.sandboxId());
    open.clear();
  }
  auto request = use.helper().usable() ? helperPortsRequest(REQUEST_MS) : shellPortsRequest();
  auto events = co_await use.plane().run(kj::mv(request));
  for (;;) {
    auto next = co_await events->next();
    if (next == nullptr) co_return;
    auto& event = KJ_ASSERT_NONNULL(next);
    if (event.kind != ProcessEvent::STDOUT_LINE) continue;
    auto ports = parsePorts(event.line);
    KJ_IF_MAYBE (p, ports) take(kj::mv(*p));
  }
}

void PortWatch::take(std::set<uint16_t> ports) {
  ports.erase(DAEMON_PORT);
  auto before = kj::mv(open);
  open = kj::mv(ports);
  for (auto port : std::set<uint16_t>(open)) {
    if (before.count(port) > 0) continue;
    if (told == MAX_TOLD) {
      // It is told if it is still open when the next watch begins.
      open.erase(port);
      continue;
    }
    ++told;
    listener.listening(port);
  }
}

}  // namespace sandbridge
