#include "event-streams.h"

#include <kj/debug.h>

#include "base/coroutine.h"
#include "base/json.h"

namespace sandbridge::localcloud::daemon {

namespace {

// A comment line now and then shows proxies and clients that the connection lives.
constexpr kj::Duration KEEP_ALIVE = 15 * kj::SECONDS;
// Events are written in batches of about this size.
constexpr size_t BATCH_BYTES = 64u << 10;

bool selected(const OutputLine& line, OutputSelection selection) {
  return selection == OutputSelection::BOTH ||
         line.isError == (selection == OutputSelection::STDERR);
}

class EventBatch {
 public:
  void lineEvent(kj::StringPtr prefix, kj::StringPtr text, int64_t timestamp,
                 kj::Maybe<kj::StringPtr> stream) {
    add(prefix);
    add("data: ");
    rapidjson::Writer<rapidjson::StringBuffer> json(buffer);
    json.StartObject();
    json.Key("line");
    json.String(text.begin(), text.size());
    json.Key("timestamp");
    json.Int64(timestamp);
    KJ_IF_MAYBE (s, stream) {
      json.Key("stream");
      json.String(s->begin(), s->size());
    }
    json.EndObject();
    add("\n\n");
  }
  void add(kj::StringPtr text) {
    for (char c : text) buffer.Put(c);
  }
  size_t size() const { return buffer.GetSize(); }
  kj::Promise<void> writeTo(kj::AsyncOutputStream& stream) {
    auto text = kj::heapString(buffer.GetString(), buffer.GetSize());
    buffer.Clear();
    auto promise = stream.write(text.begin(), text.size());
    return promise.attach(kj::mv(text));
  }

 private:
  rapidjson::StringBuffer buffer;
};

kj::Own<kj::AsyncOutputStream> sendHeader(const kj::HttpHeaderTable& table,
                                          kj::HttpService::Response& response) {
  kj::HttpHeaders headers(table);
  headers.set(kj::HttpHeaderId::CONTENT_TYPE, "text/event-stream");
  headers.add("Cache-Control", "no-cache");
  return response.send(200, "OK", headers);
}

// True: the log has changed. False: silence.
kj::Promise<bool> changedOrSilent(OutputLog& log, kj::Timer& timer) {
  return log.whenChanged()
      .then([]() { return true; })
      .exclusiveJoin(timer.afterDelay(KEEP_ALIVE).then([]() { return false; }));
}

}  // namespace

void eachLogged(OutputLog& log, OutputSelection selection,
                kj::FunctionParam<void(const OutputLine&)> use) {
  for (bool error : {false, true}) {
    for (uint64_t i = log.first(); i < log.next(); i++) {
      auto& line = log.at(i);
      if (line.isError == error && selected(line, selection)) use(line);
    }
  }
}

kj::Promise<void> followRun(const kj::HttpHeaderTable& table, kj::HttpService::Response& response,
                            kj::Own<Process> process, kj::Maybe<kj::Duration> timeout,
                            ActiveTime& time) {
  auto& log = process->output();
  KJ_IF_MAYBE (delay, timeout) {
    // Belongs to the process, not to this request: it holds when the client has gone.
    process->setDeadline(
        time.pass(*delay).then([&process = *process]() { process.killGroup(); }));
  }
  log.hold(uint64_t(0));
  KJ_DEFER(log.hold(nullptr));

  auto stream = sendHeader(table, response);
  EventBatch batch;
  batch.add(kj::str("data: {\"handle\":", process->handle, ",\"pid\":", process->pid,
                    ",\"started_at\":", process->startedAt, "}\n\n"));
  for (uint64_t position = 0;;) {
    while (position < log.next() && batch.size() < BATCH_BYTES) {
      auto& line = log.at(position++);
      batch.lineEvent("", line.text, line.timestamp, line.isError ? "stderr"_kj : "stdout"_kj);
    }
    if (batch.size() > 0) {
      co_await batch.writeTo(*stream);
      log.hold(position);
      continue;
    }
    if (log.ended()) break;
    bool changed = co_await changedOrSilent(log, time.timer);
    if (!changed) batch.add(":\n\n");
  }
  batch.add(process->status() == Process::SIGNALED
                ? kj::str("data: {\"signal\":", process->value(),
                          process->oomKilled() ? ",\"oom_killed\":true" : "", "}\n\n")
                : kj::str("data: {\"exit_code\":", process->value(), "}\n\n"));
  co_await batch.writeTo(*stream);
}

kj::Promise<void> followProcess(const kj::HttpHeaderTable& table,
                                kj::HttpService::Response& response, kj::Own<Process> process,
                                OutputSelection selection, kj::Timer& timer) {
  auto& log = process->output();
  auto stream = sendHeader(table, response);
  bool both = selection == OutputSelection::BOTH;
  // The replay is taken at once, so that no line is in both it and the live part.
  uint64_t position = log.next();
  {
    EventBatch batch;
    eachLogged(log, selection, [&](const OutputLine& line) {
      kj::Maybe<kj::StringPtr> name;
      if (both) name = line.isError ? "stderr"_kj : "stdout"_kj;
      batch.lineEvent("event: output\n", line.text, 0, name);
    });
    co_await batch.writeTo(*stream);
  }
  EventBatch batch;
  for (;;) {
    position = kj::max(position, log.first());
    while (position < log.next() && batch.size() < BATCH_BYTES) {
      auto& line = log.at(position++);
      if (!selected(line, selection)) continue;
      batch.lineEvent("event: output\n", line.text, line.timestamp,
                      line.isError ? "stderr"_kj : "stdout"_kj);
    }
    if (batch.size() > 0) {
      co_await batch.writeTo(*stream);
      continue;
    }
    if (log.ended()) break;
    bool changed = co_await changedOrSilent(log, timer);
    if (!changed) batch.add(":\n\n");
  }
  batch.add("event: eof\ndata: {}\n\n");
  co_await batch.writeTo(*stream);
}

}  // namespace sandbridge::localcloud::daemon
