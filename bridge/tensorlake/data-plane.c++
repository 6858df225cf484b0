#include "tensorlake/data-plane.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "tensorlake/address.h"
#include "tensorlake/messages.h"
#include "tensorlake/wire.h"

#include <string.h>

#include <deque>

namespace sandbridge::tensorlake {

namespace {

// A sandbox that sleeps is woken by the request itself.
constexpr kj::Duration WAKE_TIMEOUT = 120 * kj::SECONDS;
constexpr kj::Duration FILE_SILENCE = 60 * kj::SECONDS;
constexpr kj::Duration HEALTH_TIMEOUT = 10 * kj::SECONDS;
// How long the end of a stream is waited for, so that its connection can be used again, once the
// last event has come.
constexpr kj::Duration END_TIMEOUT = 2 * kj::SECONDS;
// A file that comes slower than this for longer than FILE_SILENCE in all does not come.
constexpr uint64_t SLOWEST_FILE = 16u << 10;  // bytes a second

class ProcessEventsImpl final : public ProcessEvents {
 public:
  ProcessEventsImpl(HttpClient::Response response, Transport& transport, bool toCompletion)
      : response(kj::mv(response)),
        transport(transport),
        toCompletion(toCompletion),
        buffer(kj::heapArray<kj::byte>(32u << 10)) {}

  kj::Promise<kj::Maybe<ProcessEvent>> next() override {
    for (;;) {
      while (!parsed.empty()) {
        auto raw = kj::mv(parsed.front());
        parsed.pop_front();
        if (ended) continue;
        auto event = parseProcessEvent(raw, transport.secret());
        KJ_IF_MAYBE (e, event) {
          ended = toCompletion
                      ? e->kind == ProcessEvent::EXITED || e->kind == ProcessEvent::SIGNALED
                      : e->kind == ProcessEvent::END_OF_LOG;
          co_return kj::mv(event);
        }
      }
      size_t count = 0;
      kj::Maybe<kj::Exception> error;
      try {
        auto reading = response.body->tryRead(buffer.begin(), 1, buffer.size());
        if (ended) {
          auto& timer = transport.getTimer();
          if (endBy == nullptr) endBy = timer.now() + END_TIMEOUT;
          reading = timer.timeoutAt(KJ_ASSERT_NONNULL(endBy), kj::mv(reading));
        }
        count = co_await reading;
      } catch (kj::Exception& e) {
        error = kj::mv(e);
      }
      KJ_IF_MAYBE (e, error) {
        if (ended) co_return kj::Maybe<ProcessEvent>(nullptr);
        throwError(ErrorKind::INTERRUPTED,
                   kj::str("the connection to the sandbox broke while the command ran: ",
                           textOf(*e), ". Whether the command ended is not known."));
      }
      if (count == 0) {
        if (ended) co_return kj::Maybe<ProcessEvent>(nullptr);
        throwError(ErrorKind::INTERRUPTED,
                   "TensorLake's event stream ended without telling how the command ended.");
      }
      kj::Vector<StreamEvent> events;
      parser.feed(buffer.slice(0, count), events);
      for (auto& event : events) parsed.push_back(kj::mv(event));
    }
  }

 private:
  HttpClient::Response response;
  Transport& transport;
  bool toCompletion;
  bool ended = false;
  kj::Maybe<kj::TimePoint> endBy;
  kj::Array<kj::byte> buffer;
  EventStreamParser parser;
  std::deque<StreamEvent> parsed;
};

// A file as it comes. The HTTP client notices silence; this notices a trickle. The time that the
// reader takes does not count.
class FileBody final : public kj::AsyncInputStream {
 public:
  FileBody(kj::Own<kj::AsyncInputStream> inner, kj::Timer& timer)
      : inner(kj::mv(inner)), timer(timer) {}

  kj::Promise<size_t> tryRead(void* buffer, size_t minBytes, size_t maxBytes) override {
    auto begin = timer.now();
    auto allowed = FILE_SILENCE +
                   static_cast<int64_t>((received + minBytes) / SLOWEST_FILE) * kj::SECONDS - waited;
    auto late = timer.afterDelay(allowed).then([]() -> kj::Promise<size_t> {
      return makeError(ErrorKind::INTERRUPTED, kj::str("it comes more slowly than ",
                                                       SLOWEST_FILE / 1024, " KiB a second"));
    });
    auto n = co_await inner->tryRead(buffer, minBytes, maxBytes).exclusiveJoin(kj::mv(late));
    received += n;
    waited += timer.now() - begin;
    co_return n;
  }
  kj::Maybe<uint64_t> tryGetLength() override { return inner->tryGetLength(); }

 private:
  kj::Own<kj::AsyncInputStream> inner;
  kj::Timer& timer;
  uint64_t received = 0;
  kj::Duration waited = 0 * kj::SECONDS;
};

class DataPlaneImpl final : public DataPlane, private RouteCheck {
 public:
  DataPlaneImpl(const Config& config, Transport& transport, const Sandbox& sandbox, Lookup lookup)
      : transport(transport), known(sandbox.clone()), lookup(kj::mv(lookup)) {
    auto address = addressOf(config, sandbox, [&](kj::StringPtr text) { return transport.readable(text); });
    base = kj::mv(address.base);
    headers = kj::mv(address.headers);
  }

  kj::Promise<kj::Own<ProcessEvents>> run(ProcessRequest request) override {
    auto call = make("POST", kj::heapString(wire::RUN), "run the command");
    call.effect = Effect::ONCE;
    call.accept = "text/event-stream";
    call.answerTimeout = WAKE_TIMEOUT;
    call.json(toJson(request));
    call.lasting = !request.brief;
    return stream(kj::mv(call), true);
  }

  kj::Promise<ProcessInfo> start(ProcessRequest request) override {
    auto call = make("POST", kj::heapString(wire::PROCESSES), "start the process");
    call.effect = Effect::ONCE;
    call.answerTimeout = WAKE_TIMEOUT;
    call.json(toJson(request));
    return transport.fetch(kj::mv(call)).then([](Transport::Answer&& answer) {
      return parseProcess(answer.body.asChars());
    });
  }

  kj::Promise<kj::Array<ProcessInfo>> processes() override {
    auto call = make("GET", kj::heapString(wire::PROCESSES), "list the processes");
    return transport.fetch(kj::mv(call)).then([](Transport::Answer&& answer) {
      return parseProcesses(answer.body.asChars());
    });
  }

  kj::Promise<ProcessInfo> process(uint32_t pid) override {
    auto call = make("GET", processPath(pid, ""), "look up the process");
    return transport.fetch(kj::mv(call)).then([](Transport::Answer&& answer) {
      return parseProcess(answer.body.asChars());
    });
  }

  kj::Promise<kj::Own<ProcessEvents>> follow(uint32_t pid, Log log) override {
    kj::StringPtr name = log == Log::STDOUT   ? "/stdout/follow"
                         : log == Log::STDERR ? "/stderr/follow"
                                              : "/output/follow";
    auto call = make("GET", processPath(pid, name), "follow the process");
    call.accept = "text/event-stream";
    call.lasting = true;
    return stream(kj::mv(call), false);
  }

  kj::Promise<void> signal(uint32_t pid, int number) override {
    auto call = make("POST", processPath(pid, "/signal"), "signal the process");
    call.effect = Effect::ONCE;
    call.json(signalJson(number));
    return transport.fetch(kj::mv(call)).ignoreResult();
  }

  kj::Promise<void> kill(uint32_t pid) override {
    return transport.fetch(make("DELETE", processPath(pid, ""), "kill the process")).ignoreResult();
  }

  kj::Promise<void> writeStdin(uint32_t pid, kj::Array<const kj::byte> bytes) override {
    auto call = make("POST", processPath(pid, "/stdin"), "write to the process");
    call.effect = Effect::ONCE;
    call.body.init<kj::Array<const kj::byte>>(kj::mv(bytes));
    return transport.fetch(kj::mv(call)).ignoreResult();
  }

  kj::Promise<void> closeStdin(uint32_t pid) override {
    return transport
        .fetch(make("POST", processPath(pid, "/stdin/close"), "close the process's input"))
        .ignoreResult()
        .catch_([](kj::Exception&& e) {
          // Closed already: by the same request, most likely, whose answer was lost.
          if (failureOf(e).code != wire::STDIN_NOT_WRITABLE) kj::throwFatalException(kj::mv(e));
        });
  }

  kj::Promise<kj::Own<kj::AsyncInputStream>> readFile(kj::String path) override {
    auto call = make("GET", filePath(wire::FILES, path), kj::str("read ", path));
    call.idleTimeout = FILE_SILENCE;
    auto& timer = transport.getTimer();
    return transport.send(kj::mv(call))
        .then([&timer](HttpClient::Response&& response) -> kj::Own<kj::AsyncInputStream> {
          return kj::heap<FileBody>(kj::mv(response.body), timer);
        });
  }

  kj::Promise<void> writeFile(kj::String path, kj::Own<kj::AsyncInputStream> content,
                              uint64_t size) override {
    auto call = make("PUT", filePath(wire::FILES, path), kj::str("write ", path));
    if (size > 0)
      call.body.init<HttpClient::StreamBody>(HttpClient::StreamBody{kj::mv(content), size});
    // The answer comes after the body, and the body takes as long as it takes; a connection that
    // stands still is the HTTP client's to notice.
    call.answerTimeout = 60 * kj::SECONDS + static_cast<int64_t>(size >> 16) * kj::SECONDS;
    return transport.fetch(kj::mv(call)).ignoreResult();
  }

  kj::Promise<void> writeFile(kj::String path, kj::Array<const kj::byte> content) override {
    auto call = make("PUT", filePath(wire::FILES, path), kj::str("write ", path));
    call.answerTimeout =
        60 * kj::SECONDS + static_cast<int64_t>(content.size() >> 16) * kj::SECONDS;
    if (content.size() > 0) call.body.init<kj::Array<const kj::byte>>(kj::mv(content));
    return transport.fetch(kj::mv(call)).ignoreResult();
  }

  kj::Promise<void> deleteFile(kj::String path) override {
    return transport.fetch(make("DELETE", filePath(wire::FILES, path), kj::str("delete ", path)))
        .ignoreResult();
  }

  kj::Promise<kj::Array<FileEntry>> listFiles(kj::String path) override {
    auto call = make("GET", filePath(wire::FILES_LIST, path), kj::str("list ", path));
    return transport.fetch(kj::mv(call)).then([](Transport::Answer&& answer) {
      return parseFiles(answer.body.asChars());
    });
  }

  kj::Promise<void> health() override {
    auto call = make("GET", kj::heapString(wire::HEALTH), "reach the sandbox");
    call.answerTimeout = HEALTH_TIMEOUT;
    return transport.fetch(kj::mv(call)).ignoreResult();
  }

 private:
  Transport& transport;
  Sandbox known;
  Lookup lookup;
  kj::String base;
  kj::Vector<HttpClient::Header> headers;

  Call make(kj::StringPtr method, kj::String path, kj::StringPtr what) {
    Call call;
    call.method = method;
    call.url = kj::str(base, path);
    call.what = kj::heapString(what);
    call.route = *this;
    for (auto& header : headers) {
      call.headers.add(
          HttpClient::Header{kj::heapString(header.name), kj::heapString(header.value)});
    }
    return call;
  }

  static kj::String processPath(uint32_t pid, kj::StringPtr rest) {
    return kj::str(wire::PROCESSES, "/", pid, rest);
  }
  static kj::String filePath(kj::StringPtr base, kj::StringPtr path) {
    return kj::str(base, "?path=", percentEncode(path));
  }

  kj::Promise<kj::Own<ProcessEvents>> stream(Call call, bool toCompletion) {
    return transport.send(kj::mv(call))
        .then([this, toCompletion](HttpClient::Response&& response) -> kj::Own<ProcessEvents> {
          auto type = response.header("content-type");
          bool right = false;
          KJ_IF_MAYBE (t, type) right = strstr(t->cStr(), "text/event-stream") != nullptr;
          if (!right) {
            throwError(toCompletion ? ErrorKind::INTERRUPTED : ErrorKind::FAILED,
                       "TensorLake answered with something other than an event stream.");
          }
          return kj::heap<ProcessEventsImpl>(kj::mv(response), transport, toCompletion);
        });
  }

  kj::Promise<bool> isCurrent() override {
    try {
      KJ_IF_MAYBE (now, co_await lookup(kj::heapString(known.id))) {
        co_return now->status == wire::RUNNING && now->url == known.url &&
            now->routingHint == known.routingHint;
      }
      co_return false;
    } catch (kj::Exception&) {
      // With nothing known of it, it may as well be where it was.
      co_return true;
    }
  }
};

}  // namespace

kj::Own<DataPlane> newDataPlane(const Config& config, Transport& transport, const Sandbox& sandbox,
                                Lookup lookup) {
  return kj::heap<DataPlaneImpl>(config, transport, sandbox, kj::mv(lookup));
}

}  // namespace sandbridge::tensorlake
