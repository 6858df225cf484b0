#pragma once
// JSON of the lifecycle API, both directions. Pure functions.

#include "localcloud/http-reply.h"
#include "localcloud/sandbox-record.h"

#include <kj/one-of.h>

namespace sandbridge::localcloud {

// The body of a create call. The record has no id and no creation time yet; with a `snapshotId`, image and resources that
// were not named are empty and 0.
kj::OneOf<SandboxRecord, Refusal> parseCreate(kj::ArrayPtr<const char> json, kj::StringPtr ns);

// What none is said of stays as it is.
struct SandboxUpdate {
  kj::Maybe<kj::String> name;
  PublicAccessChange access;
  kj::Maybe<NetworkPolicy> network;
};

// The body of an update.
kj::OneOf<SandboxUpdate, Refusal> parseUpdate(kj::ArrayPtr<const char> json);

// The answer to create. `timedOut`: it did not start in time and its status reads "timeout". `confirm`: what a claim asked
// for beside the sandbox is done; without that word clients delete it again.
kj::String formatCreated(const SandboxRecord& record, kj::StringPtr url, bool timedOut, bool confirm = false);

// SandboxInfo; in the archive with the time when the sandbox went there.
enum class Shown { NORMALLY, ARCHIVED };
kj::String formatInfo(const SandboxRecord& record, kj::StringPtr url, Shown shown = Shown::NORMALLY);

struct Page {
  size_t limit = 100;
  bool backward = false;
  bool onlyRunning = false;
  kj::Maybe<kj::String> cursor;  // decoded: a sort key
};
kj::OneOf<Page, Refusal> parseListQuery(kj::StringPtr query);

// The place of a record in lists, as text that sorts like the list does, oldest first.
kj::String sortKey(const SandboxRecord& record);

// `records`: everything, newest first. Forward goes to older ones, as a reader scrolls.
kj::String formatList(kj::ArrayPtr<const SandboxRecord* const> records, const Page& page, kj::StringPtr url,
                      Shown shown = Shown::NORMALLY);

// Names are host labels on the data plane, so they are held to the rules for those. None: a good name.
kj::Maybe<Refusal> checkName(kj::StringPtr name);

}  // namespace sandbridge::localcloud
