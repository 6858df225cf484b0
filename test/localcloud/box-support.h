#pragma once
// Real boxes in a temporary directory, and a small HTTP client for the daemon in them.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kj/async-io.h>
#include <kj/compat/http.h>
#include <kj/debug.h>

#include "base/json.h"
#include "localcloud/box.h"

namespace sandbridge::localcloud::test {

// Removed with everything in it at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/sandbridge-test-XXXXXX";
    KJ_REQUIRE(mkdtemp(name) != nullptr);
    path = kj::str(name);
  }
  ~TemporaryFolder() noexcept(false) {
    // A sweeper of removed boxes may still be at work in it.
    for (int i = 0; i < 1000 && access(path.cStr(), F_OK) == 0; i++) {
      if (i > 0) usleep(10000);
      nftw(
          path.cStr(),
          [](const char* name, const struct stat*, int type, FTW*) {
            if ((type == FTW_DP ? rmdir(name) : unlink(name)) == 0) return 0;
            return errno == ENOENT || errno == ENOTEMPTY ? 0 : -1;
          },
          16, FTW_DEPTH | FTW_PHYS);
    }
  }
  kj::String path;
};

inline int readdirCount(kj::StringPtr path) {
  int count = 0;
  DIR* stream = opendir(path.cStr());
  if (stream == nullptr) return -1;
  while (dirent* entry = readdir(stream)) count += entry->d_name[0] != '.';
  closedir(stream);
  return count;
}

struct Answer {
  uint status;
  kj::String body;
  kj::String contentType;
};

// One request on its own connection.
inline kj::Promise<Answer> ask(kj::Own<kj::AsyncIoStream> connection, kj::HttpMethod method,
                               kj::String url, kj::String body = kj::str(""),
                               kj::StringPtr contentType = "application/json") {
  struct State {
    kj::HttpHeaderTable table;
    kj::Own<kj::AsyncIoStream> connection;
    kj::Own<kj::HttpClient> client;
    kj::String url, body;
    kj::HttpClient::Request request{kj::Own<kj::AsyncOutputStream>(), nullptr};
  };
  auto state = kj::heap<State>();
  state->connection = kj::mv(connection);
  state->client = kj::newHttpClient(state->table, *state->connection);
  state->url = kj::mv(url);
  state->body = kj::mv(body);
  kj::HttpHeaders headers(state->table);
  headers.set(kj::HttpHeaderId::HOST, "box");
  kj::Maybe<uint64_t> size;
  if (method != kj::HttpMethod::GET) {
    size = state->body.size();  // without it KJ would send chunks
    if (contentType.size() > 0) headers.set(kj::HttpHeaderId::CONTENT_TYPE, contentType);
  }
  state->request = state->client->request(method, state->url, headers, size);
  kj::Promise<void> written = kj::READY_NOW;
  if (state->body.size() > 0) {
    written = state->request.body->write(state->body.begin(), state->body.size());
  }
  auto& s = *state;
  return written
      .then([&s]() {
        s.request.body = nullptr;
        return kj::mv(s.request.response);
      })
      .then([](kj::HttpClient::Response&& response) -> kj::Promise<Answer> {
        auto type = kj::str(response.headers->get(kj::HttpHeaderId::CONTENT_TYPE).orDefault(""));
        auto status = response.statusCode;
        auto stream = kj::mv(response.body);
        auto all = stream->readAllText();
        return all.attach(kj::mv(stream))
            .then([status, type = kj::mv(type)](kj::String&& text) mutable {
              return Answer{status, kj::mv(text), kj::mv(type)};
            });
      })
      .attach(kj::mv(state));
}

struct RunResult {
  int exitCode = -1;
  int signal = 0;
  uint exitEvents = 0;
  kj::String out, err;  // lines, each with a newline again
};

// The events of `run`.
inline RunResult parseRun(kj::StringPtr events) {
  RunResult result;
  kj::Vector<char> out, err;
  const char* at = events.begin();
  while (at < events.end()) {
    const char* end = strchr(at, '\n');
    if (end == nullptr) break;
    kj::ArrayPtr<const char> line(at, end);
    at = end + 1;
    if (line.size() < 6 || memcmp(line.begin(), "data: ", 6) != 0) continue;
    rapidjson::Document json;
    json.Parse(line.begin() + 6, line.size() - 6);
    KJ_REQUIRE(!json.HasParseError());
    if (json.HasMember("line")) {
      KJ_REQUIRE(json.HasMember("timestamp"));
      auto& to = kj::StringPtr(json["stream"].GetString()) == "stdout" ? out : err;
      to.addAll(kj::arrayPtr(json["line"].GetString(), json["line"].GetStringLength()));
      to.add('\n');
    }
    if (json.HasMember("exit_code")) {
      result.exitCode = json["exit_code"].GetInt();
      result.exitEvents++;
    }
    if (json.HasMember("signal")) {
      result.signal = json["signal"].GetInt();
      result.exitEvents++;
    }
  }
  out.add(0);
  err.add(0);
  result.out = kj::String(out.releaseAsArray());
  result.err = kj::String(err.releaseAsArray());
  return result;
}

// JSON for a shell command.
inline kj::String shellRequest(kj::StringPtr script, kj::StringPtr more = "") {
  kj::Vector<char> quoted;
  for (char c : script) {
    if (c == '"' || c == '\\') quoted.add('\\');
    if (c == '\n') {
      quoted.addAll("\\n"_kj);
    } else {
      quoted.add(c);
    }
  }
  return kj::str("{\"command\":\"sh\",\"args\":[\"-c\",\"", quoted.asPtr(), "\"]", more, "}");
}

inline RunResult run(Box& box, kj::WaitScope& scope, kj::StringPtr script, kj::StringPtr more = "") {
  auto answer = ask(box.connect().wait(scope), kj::HttpMethod::POST,
                    kj::str("/api/v1/processes/run"), shellRequest(script, more))
                    .wait(scope);
  KJ_REQUIRE(answer.status == 200, answer.body);
  return parseRun(answer.body);
}

// Starts a script as a process of its own, which goes on (what `run` has started ends with it). Returns its pid.
inline kj::String start(Box& box, kj::WaitScope& scope, kj::StringPtr script) {
  auto answer = ask(box.connect().wait(scope), kj::HttpMethod::POST, kj::str("/api/v1/processes"),
                    shellRequest(script))
                    .wait(scope);
  KJ_REQUIRE(answer.status == 201, answer.body);
  return kj::str(parseJson(answer.body)["pid"].GetInt());
}

// The first line of what a script prints.
inline kj::String line(Box& box, kj::WaitScope& scope, kj::StringPtr script) {
  auto result = run(box, scope, script);
  KJ_IF_MAYBE (end, result.out.asPtr().findFirst('\n')) {
    return kj::heapString(result.out.slice(0, *end));
  }
  return kj::str("");
}

}  // namespace sandbridge::localcloud::test
