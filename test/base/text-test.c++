#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/shell-quote.h"

#include <catch2/catch.hpp>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kj/debug.h>
#include <kj/io.h>

namespace sandbridge {
namespace {

kj::String outputOf(kj::StringPtr command) {
  auto pipe = popen(command.cStr(), "r");
  KJ_ASSERT(pipe != nullptr);
  KJ_DEFER(pclose(pipe));
  kj::FdInputStream in(fileno(pipe));
  return in.readAllText();
}

TEST_CASE("a real shell reads quoted text as exactly the same bytes") {
  char every[256];
  for (int i = 0; i < 255; i++) every[i] = i + 1;
  every[255] = 0;
  for (kj::StringPtr word :
       {kj::StringPtr(every, 255), ""_kj, "-n"_kj, "'"_kj, "''"_kj, "a'b\"c"_kj, "$(id) `id` $HOME ; & | > < * ? ~ !"_kj,
        "line\nline\n"_kj, "\\"_kj, "\\'"_kj}) {
    CHECK(outputOf(kj::str("printf '%s.' ", shellQuote(word))) == kj::str(word, "."));
  }
}

TEST_CASE("several words stay several words") {
  auto words = kj::heapArray<kj::String>(3);
  words[0] = kj::str("a b");
  words[1] = kj::str("");
  words[2] = kj::str("it's");
  CHECK(outputOf(kj::str("printf '<%s>' ", shellQuote(words))) == "<a b><><it's>");
}

TEST_CASE("a NUL byte cannot be quoted") {
  KJ_IF_MAYBE (e, kj::runCatchingExceptions([]() { shellQuote(kj::StringPtr("a\0b", 3)); })) {
    CHECK(kindOf(*e) == ErrorKind::INVALID_ARGUMENT);
  } else {
    FAIL("no error");
  }
}

TEST_CASE("a log line is one line whatever the message holds") {
  auto message = "one\ntwo\x1b[31m\r\n"_kj;
  auto people = formatLogLine(LogLevel::WARNING, message, true);
  CHECK(people.endsWith(" warning: one | two\\x1b[31m"));
  auto doc = parseJson(formatLogLine(LogLevel::WARNING, message, false));
  CHECK(KJ_ASSERT_NONNULL(getString(doc, "message")) == message);
  CHECK(KJ_ASSERT_NONNULL(getString(doc, "level")) == "warning");
  CHECK(KJ_ASSERT_NONNULL(getString(doc, "time")).size() == 24);
}

TEST_CASE("KJ's own log goes to stderr without source positions") {
  int pipe[2];
  KJ_SYSCALL(::pipe(pipe));
  int saved;
  KJ_SYSCALL(saved = dup(STDERR_FILENO));
  KJ_SYSCALL(dup2(pipe[1], STDERR_FILENO));
  {
    KjLogRedirect redirect;
    KJ_LOG(ERROR, "trouble", KJ_EXCEPTION(FAILED, "inner"));
  }
  KJ_SYSCALL(dup2(saved, STDERR_FILENO));
  close(saved);
  close(pipe[1]);
  auto text = kj::FdInputStream(kj::AutoCloseFd(pipe[0])).readAllText();
  CHECK(text.endsWith("\n"));
  auto doc = parseJson(text);
  auto message = KJ_ASSERT_NONNULL(getString(doc, "message"));
  CHECK(message.startsWith("trouble"));
  CHECK(strstr(message.cStr(), "inner") != nullptr);
  CHECK(strstr(message.cStr(), "c++") == nullptr);
}

}  // namespace
}  // namespace sandbridge
