// The in-sandbox daemon's API, case by case.

#include "daemon-fixture.h"

using namespace sandbridge;
using namespace sandbridge::localcloud;
using namespace sandbridge::localcloud::test;
using kj::HttpMethod;

TEST_CASE("run streams lines with timestamps and ends with exactly one exit event") {
  Daemon d;
  auto answer = d.request(HttpMethod::POST, "/processes/run", shellRequest("echo hello; exit 7"));
  CHECK(answer.body.startsWith("data: {\"handle\":1,\"pid\":"));
  CHECK(contains(answer.body, "data: {\"line\":\"hello\",\"timestamp\":1"));
  CHECK(contains(answer.body, ",\"stream\":\"stdout\"}\n\n"));
  CHECK(answer.body.endsWith("data: {\"exit_code\":7}\n\n"));
  CHECK(parseRun(answer.body).exitEvents == 1);
}

TEST_CASE("line ends are lost, CRLF too, and a partial line comes with the end") {
  Daemon d;
  auto answer = d.request(HttpMethod::POST, "/processes/run",
                          shellRequest("printf 'a\\r\\nb\\n\\nlone\\rcr\\npart'"));
  auto lines = parseRun(answer.body).out;
  CHECK(lines == "a\nb\n\nlone\rcr\npart\n");
}

TEST_CASE("a partial line is held back until its newline") {
  Daemon d;
  auto pid = d.start("printf part; sleep 0.3; echo ial; sleep 0.3; echo next");
  for (int i = 0; i < 300; i++) {
    auto lines = d.request(HttpMethod::GET, kj::str("/processes/", pid, "/stdout")).body;
    CHECK(!contains(lines, "\"part\""));
    if (contains(lines, "next")) break;
    d.timer().afterDelay(5 * kj::MILLISECONDS).wait(d.scope());
  }
  d.ended(pid);
  CHECK(d.request(HttpMethod::GET, kj::str("/processes/", pid, "/stdout")).body ==
        kj::str("{\"pid\":", pid, ",\"lines\":[\"partial\",\"next\"],\"line_count\":2}"));
}

TEST_CASE("output that is not UTF-8 ends that stream and closes the pipe under the process") {
  Daemon d;
  auto result = d.run("echo before; printf '\\377\\n'; sleep 0.2; (echo after; echo no >&2); echo err >&2; exit 5");
  CHECK(result.out == "before\n");
  // The subshell met the closed pipe; the other stream goes on.
  CHECK(result.err == "err\n");
  CHECK(result.exitCode == 5);
}

TEST_CASE("NUL bytes and every control character pass through JSON") {
  Daemon d;
  auto answer = d.request(HttpMethod::POST, "/processes/run", shellRequest("printf 'a\\000b\\001\\033[0m\\n'"));
  CHECK(contains(answer.body, "\"a\\u0000b\\u0001\\u001B[0m\""));
}

TEST_CASE("a line longer than any buffer arrives whole") {
  Daemon d;
  auto result = d.run("head -c 3000000 /dev/zero | tr '\\\\000' x");
  CHECK(result.out.size() == 3000001);
}

TEST_CASE("a command gets arguments as they are, its environment and nothing else, and its folder") {
  Daemon d;
  auto answer = d.request(
      HttpMethod::POST, "/processes/run",
      "{\"command\":\"sh\",\"args\":[\"-c\",\"printf '%s|' \\\"$@\\\"; echo; env | sort; pwd\",\"sh\",\"a b\",\"$HOME;\",\"'\\\"\"],"
      "\"env\":{\"A\":\"1 2\",\"HOME\":\"/elsewhere\"},\"working_dir\":\"/usr\"}");
  CHECK(parseRun(answer.body).out ==
        "a b|$HOME;|'\"|\nA=1 2\nHOME=/elsewhere\nLANG=C.UTF-8\nLOGNAME=root\n"
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/usr\n"
        "TERM=dumb\nUSER=root\n/usr\n");
}

TEST_CASE("standard input of run is at its end") {
  Daemon d;
  CHECK(d.run("cat; echo done").out == "done\n");
}

TEST_CASE("what cannot be started is 500 with the reason, and the daemon goes on") {
  Daemon d;
  for (kj::StringPtr path : {"/processes/run"_kj, "/processes"_kj}) {
    auto answer = d.request(HttpMethod::POST, path, "{\"command\":\"no-such-program\"}");
    CHECK(answer.status == 500);
    CHECK(answer.body ==
          "{\"error\":\"Failed to spawn process: no-such-program: No such file or directory\","
          "\"code\":\"INTERNAL_ERROR\"}");
  }
  auto answer = d.request(HttpMethod::POST, "/processes/run",
                          "{\"command\":\"true\",\"working_dir\":\"/no/such\"}");
  CHECK(answer.status == 500);
  CHECK(contains(answer.body, "/no/such: No such file"));
  CHECK(d.run("echo on").out == "on\n");
}

TEST_CASE("a run is killed with its group when its timeout is over") {
  Daemon d;
  auto result = d.run("sleep 1000 & echo started; wait", ",\"timeout\":0.3");
  CHECK(result.out == "started\n");
  CHECK(result.signal == SIGKILL);
  CHECK(result.exitEvents == 1);
}

TEST_CASE("a run whose client hangs up goes on") {
  Daemon d;
  {
    auto connection = d.connect();
    auto body = shellRequest("echo begun; sleep 0.5; echo kept > kept; sleep 0.1");
    auto text = kj::str("POST /api/v1/processes/run HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                        "Content-Length: ", body.size(), "\r\n\r\n", body);
    connection->write(text.begin(), text.size()).wait(d.scope());
    char byte;
    connection->read(&byte, 1).wait(d.scope());
  }
  auto file = kj::str(d.folder.path, "/kept");
  for (int i = 0; i < 500 && access(file.cStr(), F_OK) < 0; i++) {
    d.timer().afterDelay(10 * kj::MILLISECONDS).wait(d.scope());
  }
  CHECK(access(file.cStr(), F_OK) == 0);
}

TEST_CASE("reading a run slowly holds back the process instead of filling memory") {
  Daemon d;
  auto connection = d.connect();
  auto body = shellRequest("i=0; while [ $i -lt 400 ]; do head -c 65535 /dev/zero | tr '\\000' x; echo; "
                           "i=$((i+1)); echo $i > progress; done");
  auto text = kj::str("POST /api/v1/processes/run HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      "Content-Length: ", body.size(), "\r\n\r\n", body);
  connection->write(text.begin(), text.size()).wait(d.scope());
  auto progress = [&]() {
    FILE* file = fopen(kj::str(d.folder.path, "/progress").cStr(), "re");
    int n = 0;
    if (file != nullptr) {
      if (fscanf(file, "%d", &n) != 1) n = 0;
      fclose(file);
    }
    return n;
  };
  // Until it stands still: no more comes while nobody reads.
  int last = -1, same = 0;
  for (int i = 0; i < 400 && same < 40; i++) {
    d.timer().afterDelay(25 * kj::MILLISECONDS).wait(d.scope());
    int now = progress();
    same = now == last && now > 0 ? same + 1 : 0;
    last = now;
  }
  CHECK(last < 200);
  // And every byte is there in the end.
  uint64_t lines = 0;
  auto buffer = kj::heapArray<char>(1 << 16);
  kj::Vector<char> tail;
  while (true) {
    size_t n = connection->tryRead(buffer.begin(), 1, buffer.size()).wait(d.scope());
    REQUIRE(n > 0);
    for (char c : buffer.slice(0, n)) lines += c == 't';  // "timestamp" twice, "stdout" twice, "started_at"
    tail.addAll(buffer.slice(0, n));
    if (tail.size() > 100) {
      kj::Vector<char> shorter;
      shorter.addAll(tail.asPtr().slice(tail.size() - 100, tail.size()));
      tail = kj::mv(shorter);
    }
    tail.add(0);
    bool over = strstr(tail.begin(), "exit_code\":0}") != nullptr;
    tail.removeLast();
    if (over) break;
  }
  CHECK(lines > 400 * 4);
}

TEST_CASE("a process is started, listed, followed, signalled and deleted by pid or name") {
  Daemon d;
  auto pid = d.start("trap 'echo got; exit 4' TERM; echo out; echo err >&2; while :; do sleep 0.05; done",
                     ",\"name\":\"web 1\"");
  CHECK(contains(d.request(HttpMethod::GET, "/processes").body, kj::str("\"pid\":", pid)));
  auto info = d.request(HttpMethod::GET, "/processes/web%201");
  CHECK(info.status == 200);
  CHECK(contains(info.body, "\"status\":\"running\""));
  CHECK(contains(info.body, "\"stdin_writable\":false"));
  CHECK(contains(info.body, "\"command\":\"sh\""));
  CHECK(d.request(HttpMethod::POST, kj::str("/processes/", pid, "/signal"), "{\"signal\":99}").status == 400);
  CHECK(d.request(HttpMethod::POST, kj::str("/processes/", pid, "/signal"), "{\"signal\":0}").status == 400);
  // The trap is set before "out" is printed.
  for (int i = 0; i < 1000 && !contains(d.request(HttpMethod::GET, kj::str("/processes/", pid, "/stdout")).body, "out"); i++) {
    d.timer().afterDelay(10 * kj::MILLISECONDS).wait(d.scope());
  }
  auto signalled = d.request(HttpMethod::POST, kj::str("/processes/", pid, "/signal"), "{\"signal\":15}");
  CHECK(signalled.status == 200);
  CHECK(signalled.body == "{\"success\":true}");
  auto after = d.ended(pid);
  CHECK(contains(after, "\"exit_code\":4"));
  CHECK(contains(after, "\"ended_at\":"));
  CHECK(d.request(HttpMethod::POST, kj::str("/processes/", pid, "/signal"), "{\"signal\":15}").status == 400);

  auto sleeper = d.start("sleep 1000 & wait");
  CHECK(d.request(HttpMethod::DELETE, kj::str("/processes/", sleeper)).status == 204);
  CHECK(contains(d.ended(sleeper), "\"status\":\"signaled\""));
  CHECK(contains(d.ended(sleeper), "\"signal\":9"));
  auto unknown = d.request(HttpMethod::GET, "/processes/999999");
  CHECK(unknown.status == 404);
  CHECK(unknown.body == "{\"error\":\"Process 999999 not found\",\"code\":\"NOT_FOUND\"}");
  CHECK(d.request(HttpMethod::DELETE, "/processes/nobody").status == 404);
}

TEST_CASE("follow replays without timestamps, stdout before stderr, then goes on live to eof") {
  Daemon d;
  auto pid = d.start("echo e1 >&2; sleep 0.05; echo o1; while [ ! -e go ]; do sleep 0.02; done; echo o2");
  for (int i = 0; i < 300; i++) {
    if (contains(d.request(HttpMethod::GET, kj::str("/processes/", pid, "/output")).body, "o1")) break;
    d.timer().afterDelay(10 * kj::MILLISECONDS).wait(d.scope());
  }
  auto both = ask(d.connect(), HttpMethod::GET, kj::str("/api/v1/processes/", pid, "/output/follow"))
                  .eagerlyEvaluate(nullptr);
  auto out = ask(d.connect(), HttpMethod::GET, kj::str("/api/v1/processes/", pid, "/stdout/follow"))
                 .eagerlyEvaluate(nullptr);
  d.timer().afterDelay(100 * kj::MILLISECONDS).wait(d.scope());
  close(open(kj::str(d.folder.path, "/go").cStr(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  auto text = both.wait(d.scope()).body;
  CHECK(text.startsWith("event: output\ndata: {\"line\":\"o1\",\"timestamp\":0,\"stream\":\"stdout\"}\n\n"
                        "event: output\ndata: {\"line\":\"e1\",\"timestamp\":0,\"stream\":\"stderr\"}\n\n"
                        "event: output\ndata: {\"line\":\"o2\",\"timestamp\":1"));
  CHECK(text.endsWith("event: eof\ndata: {}\n\n"));
  auto only = out.wait(d.scope()).body;
  CHECK(only.startsWith("event: output\ndata: {\"line\":\"o1\",\"timestamp\":0}\n\n"));
  CHECK(!contains(only, "e1"));
  CHECK(d.request(HttpMethod::GET, kj::str("/processes/", pid, "/output")).body ==
        kj::str("{\"pid\":", pid, ",\"lines\":[\"o1\",\"o2\",\"e1\"],\"line_count\":3}"));
}

TEST_CASE("standard input is written in order and closed; a process without one answers STDIN_NOT_WRITABLE") {
  Daemon d;
  auto pid = d.start("cat", ",\"stdin_mode\":\"pipe\"");
  auto at = kj::str("/processes/", pid, "/stdin");
  CHECK(d.request(HttpMethod::POST, at, "one\ntw", "").status == 204);
  CHECK(d.request(HttpMethod::POST, at, "o\n", "").status == 204);
  CHECK(d.request(HttpMethod::POST, kj::str(at, "/close"), "", "").status == 204);
  CHECK(contains(d.ended(pid), "\"exit_code\":0"));
  CHECK(contains(d.request(HttpMethod::GET, kj::str("/processes/", pid, "/stdout")).body,
                 "[\"one\",\"two\"]"));
  auto closed = d.request(HttpMethod::POST, at, "x", "");
  CHECK(closed.status == 400);
  CHECK(closed.body == "{\"error\":\"Process stdin is not writable\",\"code\":\"STDIN_NOT_WRITABLE\"}");
  auto other = d.start("sleep 1000");
  CHECK(d.request(HttpMethod::POST, kj::str("/processes/", other, "/stdin"), "x", "").status == 400);
  CHECK(d.request(HttpMethod::POST, kj::str("/processes/", other, "/stdin/close"), "", "").status == 400);
}

TEST_CASE("old output goes when a process prints more than is kept") {
  Daemon d;
  auto pid = d.start("seq 1 2000000");
  d.ended(pid);
  kj::String body;
  for (int i = 0; i < 300; i++) {
    body = d.request(HttpMethod::GET, kj::str("/processes/", pid, "/stdout")).body;
    if (contains(body, "\"2000000\"")) break;
    d.timer().afterDelay(20 * kj::MILLISECONDS).wait(d.scope());
  }
  CHECK(contains(body, "\"2000000\""));
  CHECK(!contains(body, "\"1\","));
  CHECK(body.size() < (5u << 20));
}

TEST_CASE("files are written whole with their parents, read, listed and deleted") {
  Daemon d;
  auto base = kj::str(d.folder.path, "/files");
  auto url = [&](kj::StringPtr name) { return kj::str("/files?path=", base, "/", name); };
  auto put = d.request(HttpMethod::PUT, url("deep/a+b%2Bc%26d.txt"), "hello");
  CHECK(put.status == 204);
  CHECK(access(kj::str(base, "/deep/a b+c&d.txt").cStr(), F_OK) == 0);
  CHECK(d.request(HttpMethod::PUT, url("empty"), "").status == 204);
  auto got = d.request(HttpMethod::GET, url("deep/a%20b+c%26d.txt"));
  CHECK(got.status == 404);  // the plus sign is a space: this one was never there
  got = d.request(HttpMethod::GET, url("deep/a+b%2Bc%26d.txt"));
  CHECK(got.status == 200);
  CHECK(got.body == "hello");
  CHECK(got.contentType == "application/octet-stream");
  CHECK(d.request(HttpMethod::GET, url("empty")).body == "");
  CHECK(d.request(HttpMethod::PUT, url("deep/a+b%2Bc%26d.txt"), "short").status == 204);

  auto list = d.request(HttpMethod::GET, kj::str("/files/list?path=", base));
  CHECK(list.body.startsWith(kj::str("{\"path\":\"", base, "\",\"entries\":[{\"name\":\"deep\",\"is_dir\":true,"
                                     "\"size\":null,\"modified_at\":1")));
  CHECK(contains(list.body, "{\"name\":\"empty\",\"is_dir\":false,\"size\":0,\"modified_at\":1"));
  CHECK(d.request(HttpMethod::GET, kj::str("/files/list?path=", base, "/empty")).body ==
        kj::str("{\"error\":\"Path is not a directory: ", base, "/empty\",\"code\":\"NOT_A_DIRECTORY\"}"));
  CHECK(d.request(HttpMethod::GET, kj::str("/files/list?path=", base, "/none")).status == 404);

  auto folder = d.request(HttpMethod::GET, url("deep"));
  CHECK(folder.status == 400);
  CHECK(contains(folder.body, "\"code\":\"IS_DIRECTORY\""));
  CHECK(d.request(HttpMethod::DELETE, url("deep")).status == 400);
  CHECK(d.request(HttpMethod::DELETE, url("empty")).status == 204);
  auto gone = d.request(HttpMethod::DELETE, url("empty"));
  CHECK(gone.status == 404);
  CHECK(contains(gone.body, "\"code\":\"NOT_FOUND\""));
}

TEST_CASE("a path with .. is refused 403 whatever it would lead to") {
  Daemon d;
  for (kj::StringPtr path : {"/tmp/../etc/passwd"_kj, ".."_kj, "a/.."_kj, "%2e%2e/x"_kj, "/..%2Fetc"_kj}) {
    INFO(path.cStr());
    auto answer = d.request(HttpMethod::GET, kj::str("/files?path=", path));
    CHECK(answer.status == 403);
    CHECK(contains(answer.body, "\"code\":\"PATH_TRAVERSAL\""));
  }
  CHECK(d.request(HttpMethod::GET, "/files?path=/etc/..hidden").status == 404);
  CHECK(d.request(HttpMethod::GET, "/files?path=/etc/pass%00wd").status == 400);
  CHECK(d.request(HttpMethod::GET, "/files").status == 400);
}

TEST_CASE("special files cannot hang the daemon") {
  Daemon d;
  CHECK(d.run("mkfifo pipe; ln -s /dev/zero zero").exitCode == 0);
  for (kj::StringPtr name : {"pipe"_kj, "zero"_kj}) {
    CHECK(d.request(HttpMethod::GET, kj::str("/files?path=", name)).status == 500);
    CHECK(d.request(HttpMethod::PUT, kj::str("/files?path=", name), "x").status == 500);
  }
  // Files that say they are empty and are not.
  CHECK(contains(d.request(HttpMethod::GET, "/files?path=/proc/self/status").body, "Pid:"));
}

TEST_CASE("an upload that is cut off leaves the old file as it was") {
  Daemon d;
  auto name = kj::str(d.folder.path, "/old");
  CHECK(d.request(HttpMethod::PUT, "/files?path=old", "old content").status == 204);
  for (kj::StringPtr size : {"1000"_kj, "10000000"_kj}) {
    auto connection = d.connect();
    auto text = kj::str("PUT /api/v1/files?path=old HTTP/1.1\r\nHost: x\r\nContent-Length: ", size, "\r\n\r\nnew");
    connection->write(text.begin(), text.size()).wait(d.scope());
    connection = nullptr;
    d.timer().afterDelay(50 * kj::MILLISECONDS).wait(d.scope());
    CHECK(d.request(HttpMethod::GET, "/files?path=old").body == "old content");
  }
}

TEST_CASE("a large file goes there and back") {
  Daemon d;
  kj::Vector<char> content;
  for (uint i = 0; i < 9000000; i++) content.add('a' + (i * 7919 >> 5) % 26);
  auto text = kj::heapString(content.asPtr());
  CHECK(d.request(HttpMethod::PUT, "/files?path=large", text).status == 204);
  auto got = d.request(HttpMethod::GET, "/files?path=large");
  CHECK(got.status == 200);
  CHECK((got.body == text));
}

TEST_CASE("requests that are not as they must be get 411, 415, 422, 400 and 404") {
  Daemon d;
  auto raw = [&](kj::StringPtr text) {
    auto connection = d.connect();
    connection->write(text.begin(), text.size()).wait(d.scope());
    char answer[64] = {};
    connection->read(answer, 12).wait(d.scope());
    return kj::str(answer + 9);
  };
  CHECK(raw("PUT /api/v1/files?path=x HTTP/1.1\r\nHost: x\r\n\r\n") == "411");
  CHECK(raw("POST /api/v1/processes HTTP/1.1\r\nHost: x\r\n\r\n") == "411");
  CHECK(d.request(HttpMethod::POST, "/processes", "{}", "").status == 415);
  CHECK(d.request(HttpMethod::POST, "/processes", "{}").status == 422);
  CHECK(d.request(HttpMethod::POST, "/processes", "[]").status == 422);
  CHECK(d.request(HttpMethod::POST, "/processes", "{\"command\":").status == 400);
  CHECK(d.request(HttpMethod::POST, "/processes", "{\"command\":\"a\\u0000b\"}").status == 400);
  CHECK(d.request(HttpMethod::POST, "/processes", "{\"command\":\"true\",\"args\":[1]}").status == 422);
  CHECK(d.request(HttpMethod::POST, "/processes", "{\"command\":\"true\",\"env\":{\"A=B\":\"x\"}}").status == 400);
  CHECK(d.request(HttpMethod::POST, "/processes", "{\"command\":\"true\",\"name\":\"12\"}").status == 400);
  CHECK(d.request(HttpMethod::POST, "/processes", "{\"command\":\"true\",\"user\":\"nosuchuser\"}").status == 400);
  CHECK(d.request(HttpMethod::GET, "/nothing").status == 404);
  CHECK(d.request(HttpMethod::PUT, "/health").status == 405);
  CHECK(d.request(HttpMethod::GET, "/health").body == "{\"healthy\":true}");
}

TEST_CASE("info counts processes") {
  Daemon d;
  d.run("true");
  d.start("sleep 1000");
  auto body = d.request(HttpMethod::GET, "/info").body;
  CHECK(contains(body, "\"running_processes\":1,\"total_processes\":2}"));
  CHECK(contains(body, "\"uptime_secs\":"));
}

TEST_CASE("a command runs as the user it names") {
  if (geteuid() != 0) return;
  Daemon d;
  CHECK(d.run("id -u; id -g; echo $HOME", ",\"user\":\"nobody\",\"working_dir\":\"/\"").out ==
        "65534\n65534\n/nonexistent\n");
  CHECK(d.run("id -u; id -g", ",\"user\":\"1234:567\",\"working_dir\":\"/\"").out == "1234\n567\n");
  CHECK(d.run("id -u; id -g", ",\"user\":{\"uid\":12,\"gid\":34},\"working_dir\":\"/\"").out == "12\n34\n");
}

TEST_CASE("a hundred runs at once each get their own output") {
  Daemon d;
  kj::Vector<kj::Promise<Answer>> answers;
  for (int i = 0; i < 100; i++) {
    answers.add(ask(d.connect(), HttpMethod::POST, kj::str("/api/v1/processes/run"),
                    shellRequest(kj::str("echo ", i, "; exit ", i))));
  }
  for (int i = 0; i < 100; i++) {
    auto result = parseRun(answers[i].wait(d.scope()).body);
    CHECK(result.out == kj::str(i, '\n'));
    CHECK(result.exitCode == i);
  }
}
