#include "rpc/capability-support.h"

#include "base/log.h"

namespace sandbridge {

kj::Exception publicError(const kj::Exception& e) {
  return makeError(kindOf(e), textOf(e));
}

kj::Own<Quota::Ticket> Quota::take() {
  if (used >= limit) {
    throwError(ErrorKind::FAILED,
               kj::str("this connection has reached its limit of ", limit, " ", what,
                       "; let go of some that are no longer needed"));
  }
  ++used;
  return kj::heap<Ticket>(kj::addRef(*this));
}

SharedSession::SharedSession(kj::Own<SessionTable> table, kj::String rootId, kj::Own<Session> session,
                             kj::Own<Toolbox> toolbox)
    : table(kj::mv(table)), rootId(kj::mv(rootId)), session(kj::mv(session)),
      toolbox(kj::mv(toolbox)) {
  this->table->table.insert(this->rootId, this);
}

SharedSession::~SharedSession() noexcept(false) {
  table->table.erase(rootId);
}

kj::Own<SharedSession> SessionTable::get(kj::StringPtr rootId, SandboxOptions options) {
  KJ_IF_MAYBE(known, table.find(rootId)) {
    return kj::addRef(**known);
  }
  auto session = sessions.get(rootId, kj::mv(options));
  auto toolbox = makeToolbox(rootId, session->workspace());
  return kj::refcounted<SharedSession>(kj::addRef(*this), kj::str(rootId), kj::mv(session),
                                       kj::mv(toolbox));
}

kj::Promise<void> Background::run(kj::Promise<void> task) {
  auto forked = task.fork();
  // The waiting caller reports the failure.
  tasks.add(forked.addBranch().catch_([](kj::Exception&&) {}));
  return forked.addBranch();
}

void Background::taskFailed(kj::Exception&& e) {
  logError("a background task failed: ", textOf(e));
}

}  // namespace sandbridge
