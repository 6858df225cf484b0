#pragma once
// `serve --opencode`: an OpenCode server that is kept running, and the requests passed on to it.

#include "front/front.h"

#include <kj/refcount.h>

namespace sandbridge {

class OpenCodeFront final : public kj::HttpService {
 public:
  using Options = OpenCodeOptions;

  OpenCodeFront(kj::AsyncIoContext& io, const kj::HttpHeaderTable& table, Options options);
  ~OpenCodeFront() noexcept(false);
  KJ_DISALLOW_COPY(OpenCodeFront);

  // Starts OpenCode and starts it again whenever it ends. Rejects when its first start fails; never resolves.
  kj::Promise<void> run();

  // Resolves when OpenCode listens for the first time. Call once.
  kj::Promise<void> onStarted();

  // 503 while OpenCode is not there.
  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream& requestBody, Response& response) override;

 private:
  struct Target;

  kj::AsyncIoContext& io;
  const kj::HttpHeaderTable& table;
  Options options;
  kj::PromiseFulfillerPair<void> started = kj::newPromiseAndFulfiller<void>();
  kj::Maybe<kj::Own<Target>> current;

  Options copyOptions();
  kj::Promise<void> runOnce(bool& hasStarted);
};

// The plugin's folder: `given`, else SANDBRIDGE_PLUGIN, else ../plugin beside the folder of this program. Throws
// NOT_FOUND when there is none.
kj::String findPlugin(kj::StringPtr given);

kj::String absolutePath(kj::StringPtr path);

}  // namespace sandbridge
