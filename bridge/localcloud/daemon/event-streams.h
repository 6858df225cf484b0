#pragma once
// Server-sent events: the output of a process while it runs.

#include <kj/compat/http.h>

#include "active-time.h"
#include "processes.h"

namespace sandbridge::localcloud::daemon {

enum class OutputSelection { STDOUT, STDERR, BOTH };

// `POST /processes/run`: started, lines, exactly one exit event. Reading slowly holds back the process; hanging up does not
// end it (what the real service does then is not known). After `timeout` it is killed with its group.
kj::Promise<void> followRun(const kj::HttpHeaderTable& table, kj::HttpService::Response& response,
                            kj::Own<Process> process, kj::Maybe<kj::Duration> timeout,
                            ActiveTime& time);

// `GET .../follow`: what was printed (stdout before stderr, timestamps lost, as the real daemon's log files have it), then
// what is printed, then `eof`. A reader that falls too far behind loses lines.
kj::Promise<void> followProcess(const kj::HttpHeaderTable& table,
                                kj::HttpService::Response& response, kj::Own<Process> process,
                                OutputSelection selection, kj::Timer& timer);

// The kept lines in the order of the real daemon's log files.
void eachLogged(OutputLog& log, OutputSelection selection,
                kj::FunctionParam<void(const OutputLine&)> use);

}  // namespace sandbridge::localcloud::daemon
