#pragma once
// `/api/v1/processes`: starting, looking at, feeding, signalling, restarting and following processes.

#include <kj/compat/http.h>

#include "base/json.h"
#include "processes.h"
#include "requests.h"
#include "supervisor.h"

namespace sandbridge::localcloud::daemon {

class ProcessApi {
 public:
  // Commands without a working directory run in `defaultFolder`.
  ProcessApi(const kj::HttpHeaderTable& table, Processes& processes, Supervisor& supervisor,
             ActiveTime& time, kj::StringPtr defaultFolder)
      : table(table),
        processes(processes),
        supervisor(supervisor),
        time(time),
        defaultFolder(defaultFolder) {}

  // Throws ApiError. `url`, whose third part is "processes", is read before this returns.
  kj::Promise<void> serve(kj::HttpMethod method, Url url, const kj::HttpHeaders& headers,
                          kj::AsyncInputStream& body, kj::HttpService::Response& response);

 private:
  using Response = kj::HttpService::Response;

  const kj::HttpHeaderTable& table;
  Processes& processes;
  Supervisor& supervisor;
  ActiveTime& time;
  kj::StringPtr defaultFolder;

  kj::Promise<void> ofProcess(kj::HttpMethod method, Url url, const kj::HttpHeaders& headers,
                              kj::AsyncInputStream& body, Response& response);
  kj::Promise<void> start(Response& response, kj::Promise<kj::Array<char>> body);
  kj::Promise<void> run(Response& response, kj::Promise<kj::Array<char>> body);
  kj::Promise<void> list(Response& response);
  kj::Promise<void> restart(Response& response, kj::Own<Process> process);
  void end(Process& process);
  void put(JsonWriter& json, Process& process);
  kj::Promise<void> send(Response& response, uint status, Process& process);
  kj::Promise<void> signal(Response& response, kj::Own<Process> process,
                           kj::Promise<kj::Array<char>> body);
  kj::Promise<void> feedStdin(Response& response, kj::Own<Process> process,
                              kj::AsyncInputStream& body, uint64_t size);
};

}  // namespace sandbridge::localcloud::daemon
