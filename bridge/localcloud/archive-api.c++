#include "localcloud/archive-api.h"

#include "localcloud/sandboxes-api.h"
#include "localcloud/wire-format.h"

namespace sandbridge::localcloud {

kj::Promise<void> ArchiveApi::serve(ApiCall call) {
  if (call.path.size() > 1) return call.refusePath();
  if (call.method != kj::HttpMethod::GET) return call.refuseMethod();

  if (call.path.size() == 1) {
    auto found = registry.find(call.ns, call.path[0]);
    KJ_IF_MAYBE(sandbox, found) {
      auto& record = (*sandbox)->record();
      if (record.status == Status::TERMINATED) {
        return call.reply(200, formatInfo(record, url, Shown::ARCHIVED));
      }
    }
    return call.refuse({404, "SANDBOX_NOT_FOUND"_kj,
        kj::str("there is no terminated sandbox ", quote(call.path[0]))});
  }

  auto page = parseListQuery(call.query);
  KJ_IF_MAYBE(refusal, page.tryGet<Refusal>()) return call.refuse(kj::mv(*refusal));
  auto sandboxes = registry.list(call.ns);
  kj::Vector<const SandboxRecord*> ended;
  for (auto& sandbox: sandboxes) {
    if (sandbox->status() == Status::TERMINATED) ended.add(&sandbox->record());
  }
  return call.reply(200, formatList(ended, page.get<Page>(), url, Shown::ARCHIVED));
}

}  // namespace sandbridge::localcloud
