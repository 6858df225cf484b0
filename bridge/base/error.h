#pragma once
// The kinds of failure that callers can tell apart, here and over RPC (schema/sandbox-rpc.capnp lists their meaning).
// A failure is a kj::Exception whose description is "<kind>: <sentence for people>".

#include <kj/exception.h>
#include <kj/string.h>

namespace sandbridge {

enum class ErrorKind {
  NOT_FOUND,         // do not retry
  INVALID_ARGUMENT,  // do not retry
  DENIED,            // do not retry
  UNAVAILABLE,       // nothing was done: retry is safe
  INTERRUPTED,       // outcome unknown: it may have been done
  SANDBOX_LOST,      // the sandbox ended with its files
  FAILED,            // anything else
};

// "notFound", "invalidArgument", ...: the word before the colon.
kj::StringPtr toWord(ErrorKind kind);

// An exception of this kind; its type is OVERLOADED for UNAVAILABLE, DISCONNECTED never, FAILED for the rest.
// `text` must hold no credential; it is shown to people and models.
kj::Exception makeError(ErrorKind kind, kj::StringPtr text);

[[noreturn]] void throwError(ErrorKind kind, kj::StringPtr text);

// The kind of any exception: the word before its colon, else UNAVAILABLE for OVERLOADED, else FAILED. Sees through
// the "remote exception: " that capnp puts before what came over a connection.
ErrorKind kindOf(const kj::Exception& e);

// The sentence without the kind, file names and line numbers.
kj::String textOf(const kj::Exception& e);

// `text` without the source positions and stack addresses that printing a kj::Exception puts in.
kj::String withoutSources(kj::StringPtr text);

}  // namespace sandbridge
