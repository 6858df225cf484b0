// Terminals of the in-sandbox daemon: the program on one, its clients, and its end.

#include "daemon-fixture.h"
#include "raw-socket.h"

#include <algorithm>

#include "base/json.h"
#include "localcloud/daemon/terminal-output.h"

using namespace sandbridge;
using namespace sandbridge::localcloud;
using namespace sandbridge::localcloud::test;
using kj::HttpMethod;

namespace {

struct Session {
  std::string id, token;
};

Session startTerminal(Daemon& d, const std::string& json) {
  auto answer = d.request(HttpMethod::POST, "/pty", json.c_str());
  INFO(answer.body.cStr());
  REQUIRE(answer.status == 201);
  auto document = parseJson(answer.body);
  return {getString(document, "session_id").orDefault("").cStr(),
          getString(document, "token").orDefault("").cStr()};
}

Session startShell(Daemon& d, const std::string& script, const std::string& more = "") {
  rapidjson::StringBuffer text;
  rapidjson::Writer<rapidjson::StringBuffer> writer(text);
  writer.String(script.data(), script.size());
  return startTerminal(d, std::string(R"({"command":"sh","args":["-c",)") + text.GetString() + "]" + more + "}");
}

class Client {
 public:
  Client(Daemon& d, const Session& session, bool ready = true)
      : socket(d.context(), d.connect(), "x", "/api/v1/pty/" + session.id + "/ws?token=" + session.token) {
    REQUIRE(socket.status() == 101);
    if (ready) this->ready();
  }

  RawSocket socket;
  std::string shown;

  void ready() { socket.send(BINARY, "\x02"); }
  void type(const std::string& text) { socket.send(BINARY, std::string(1, '\0') + text); }
  void resize(unsigned columns, unsigned rows) {
    socket.send(BINARY, {1, char(columns >> 8), char(columns), char(rows >> 8), char(rows)});
  }
  // Until what is shown holds `text`.
  void expect(const std::string& text) {
    while (shown.find(text) == std::string::npos) {
      auto frame = socket.receive();
      INFO("shown: " << shown << "\nthen: " << frame);
      REQUIRE(frame.opcode == BINARY);
      REQUIRE(frame.payload.substr(0, 1) == std::string(1, '\0'));
      shown += frame.payload.substr(1);
    }
  }
  // What comes after the last output: the exit frame if there is one, and the closing.
  std::vector<std::string> end() {
    std::vector<std::string> result;
    for (;;) {
      auto frame = socket.receive();
      if (frame.opcode == CLOSE) {
        result.push_back(frame.payload);
        socket.send(CLOSE, frame.payload);
        CHECK(socket.atEnd());
        return result;
      }
      if (frame.payload[0] == 0) {
        shown += frame.payload.substr(1);
      } else {
        result.push_back(frame.payload);
      }
    }
  }
};

std::vector<std::string> exited(int code) {
  auto bits = static_cast<uint32_t>(code);
  return {{3, char(bits >> 24), char(bits >> 16), char(bits >> 8), char(bits)},
          closing(1000, "exit:" + std::to_string(code))};
}

std::string infoOf(Daemon& d, const Session& session) {
  return d.request(HttpMethod::GET, kj::str("/pty/", session.id.c_str())).body.cStr();
}

}  // namespace

TEST_CASE("a terminal's program leads a session on a terminal of its own, of the size that was asked for") {
  Daemon d;
  auto session = startShell(d, "tty; stty size; ps -o sid=,pgid=,tpgid= -p $$; echo pid=$$ TERM=$TERM A=$A; exit 7",
                            R"(,"rows":30,"cols":100,"env":{"A":"b c"})");
  Client client(d, session);
  CHECK(client.end() == exited(7));
  INFO(client.shown);
  CHECK(client.shown.find("/dev/pts/") == 0);
  CHECK(client.shown.find("\r\n30 100\r\n") != std::string::npos);
  CHECK(client.shown.find("TERM=xterm-256color A=b c\r\n") != std::string::npos);
  auto at = client.shown.find("pid=");
  REQUIRE(at != std::string::npos);
  auto pid = std::to_string(std::stoi(client.shown.substr(at + 4)));
  CHECK(std::count(client.shown.begin(), client.shown.end(), '\n') == 4);
  // Session, group and foreground group are its own.
  size_t mentions = 0;
  for (size_t i = client.shown.find(pid); i != std::string::npos; i = client.shown.find(pid, i + 1)) mentions++;
  CHECK(mentions == 4);
}

TEST_CASE("what is typed into a terminal reaches the program, control characters as signals") {
  Daemon d;
  auto session = startShell(d, "trap 'echo interrupted; exit 9' INT; read line; echo \"got:$line\"; "
                               "while :; do sleep 0.01; done");
  Client client(d, session);
  client.type("hello\n");
  client.expect("got:hello\r\n");
  client.type("\x03");  // Ctrl-C
  CHECK(client.end() == exited(9));
  CHECK(client.shown.find("interrupted") != std::string::npos);
}

TEST_CASE("a terminal is resized through the socket and by request, within bounds") {
  Daemon d;
  auto session = startShell(d, "trap 'stty size' WINCH; echo ready; while :; do read line; done");
  Client client(d, session);
  client.expect("ready");  // before, the shell would not notice
  CHECK(infoOf(d, session).find(R"("rows":24,"cols":80)") != std::string::npos);
  client.resize(120, 40);
  client.expect("40 120\r\n");
  auto path = kj::str("/pty/", session.id.c_str(), "/resize");
  CHECK(d.request(HttpMethod::POST, path, R"({"rows":9999,"cols":0})").status == 204);
  client.expect("500 1\r\n");
  CHECK(infoOf(d, session).find(R"("rows":500,"cols":1,)") != std::string::npos);
  CHECK(d.request(HttpMethod::POST, path, R"({"rows":-1,"cols":80})").status == 422);
  CHECK(d.request(HttpMethod::POST, path, R"({"rows":70000,"cols":80})").status == 422);
  CHECK(d.request(HttpMethod::POST, path, R"({"rows":24})").status == 422);
  CHECK(d.request(HttpMethod::POST, "/pty/none/resize", R"({"rows":1,"cols":1})").status == 404);
}

TEST_CASE("a terminal shows nothing to a client before it is ready, then all, and the same to the next") {
  Daemon d;
  auto session = startShell(d, "echo first; read line; echo second; read line");
  Client early(d, session, false);
  Client other(d, session);
  other.expect("first\r\n");
  // A pong comes back in order: nothing was shown before it.
  early.socket.send(PING, "x");
  CHECK(early.socket.receive() == Frame{PONG, "x"});
  early.ready();
  early.expect("first\r\n");
  other.type("\n");
  early.expect("second\r\n");
  other.expect("second\r\n");
  Client late(d, session);
  late.expect("second\r\n");
  CHECK(late.shown.find("first\r\n") == 0);
  CHECK(late.shown == early.shown);
}

TEST_CASE("the last 1 MiB of what a terminal showed is kept for new clients") {
  Daemon d;
  // Not before the client is ready: it would not wait for one that shows more than is kept.
  auto session = startShell(d, "stty -opost -echo; echo begin; read line; seq 300000; echo done; read line");
  Client client(d, session);
  client.expect("begin");
  client.type("\n");
  client.expect("done");
  CHECK(client.shown.size() > (1 << 20));
  Client late(d, session);
  late.expect("done");
  CHECK(late.shown.size() <= (1 << 20));
  CHECK(late.shown.size() > (1 << 20) - (64 << 10));
  CHECK(client.shown.compare(client.shown.size() - late.shown.size(), late.shown.size(), late.shown) == 0);
}

TEST_CASE("a client that does not take 1 MiB before it is ready is sent away, the terminal goes on") {
  Daemon d;
  auto session = startShell(d, "read line; seq 300000; echo done; : > shown; read line");
  Client client(d, session, false);
  client.type("\n");
  CHECK(client.end() == std::vector<std::string>{closing(1008, "pre-ready buffer overflow")});
  // Until then another would be sent away like the first.
  auto file = kj::str(d.folder.path, "/shown");
  for (int i = 0; i < 1000 && access(file.cStr(), F_OK) < 0; i++) {
    d.timer().afterDelay(10 * kj::MILLISECONDS).wait(d.scope());
  }
  Client other(d, session);
  other.expect("done");
}

TEST_CASE("a client that types more than 1 MiB in a second is sent away") {
  Daemon d;
  auto session = startShell(d, "stty raw -echo; echo raw; exec cat > /dev/null");
  Client client(d, session);
  client.expect("raw");
  for (int i = 0; i < 40; i++) client.type(std::string(60'000, 'x'));
  CHECK(client.end() == std::vector<std::string>{closing(1008, "input rate limit exceeded")});
}

TEST_CASE("a message above 64 KiB to a terminal is refused; what is no opcode is ignored") {
  Daemon d;
  auto session = startShell(d, "read line; echo \"got:$line\"; read line");
  Client client(d, session);
  client.socket.send(BINARY, "");
  client.socket.send(BINARY, "\x07whatever");
  client.socket.send(BINARY, std::string("\x01\x00", 2));
  client.socket.send(TEXT, "text");
  client.type("on\n");
  client.expect("got:on");
  client.socket.send(BINARY, std::string((64 << 10) + 1, '\0'));
  auto end = client.end();
  REQUIRE(end.size() == 1);
  CHECK(end[0].substr(0, 2) == closing(1009, ""));
}

TEST_CASE("the exit of a terminal's program is told to all clients, later ones too, for a minute") {
  Daemon d;
  auto session = startShell(d, "echo bye; exit 300");
  Client client(d, session);
  CHECK(client.end() == exited(300 & 255));
  CHECK(client.shown == "bye\r\n");
  auto info = infoOf(d, session);
  CHECK(info.find(R"("exit_code":44,"is_alive":false)") != std::string::npos);
  CHECK(info.find(R"("ended_at":1)") != std::string::npos);
  Client late(d, session);
  CHECK(late.end() == exited(44));
  CHECK(late.shown == "bye\r\n");
}

TEST_CASE("a terminal's program that a signal ended has no exit code") {
  Daemon d;
  auto session = startShell(d, "kill -9 $$");
  Client client(d, session);
  CHECK(client.end() == exited(-1));
  CHECK(infoOf(d, session).find("exit_code") == std::string::npos);
}

TEST_CASE("ending a terminal ends all of its session, and tells its clients") {
  Daemon d;
  auto session = startShell(d, "set -m; sleep 1000 & echo job=$!; sh -c 'trap \"\" HUP; echo deaf=$$; exec sleep 1001'");
  Client client(d, session);
  client.expect("deaf=");
  while (client.shown.back() != '\n') client.expect(client.shown + "\n");
  auto number = [&](const char* name) { return std::stoi(client.shown.substr(client.shown.find(name) + strlen(name))); };
  pid_t job = number("job="), deaf = number("deaf=");
  CHECK(kill(job, 0) == 0);
  CHECK(kill(deaf, 0) == 0);
  CHECK(d.request(HttpMethod::DELETE, kj::str("/pty/", session.id.c_str())).status == 204);
  CHECK(client.end() == std::vector<std::string>{closing(1001, "session terminated")});
  for (pid_t pid : {job, deaf}) {
    // Orphans of a daemon that is no init are another's to collect.
    auto gone = [&]() {
      if (kill(pid, 0) < 0) return true;
      FILE* file = fopen(kj::str("/proc/", pid, "/stat").cStr(), "re");
      if (file == nullptr) return true;
      char state = 0;
      if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 'Z';
      fclose(file);
      return state == 'Z';
    };
    for (int i = 0; i < 800 && !gone(); i++) d.timer().afterDelay(10 * kj::MILLISECONDS).wait(d.scope());
    CHECK(gone());
  }
  for (int i = 0; i < 200 && d.request(HttpMethod::GET, kj::str("/pty/", session.id.c_str())).status != 404; i++) {
    d.timer().afterDelay(10 * kj::MILLISECONDS).wait(d.scope());
  }
  auto gone = d.request(HttpMethod::GET, kj::str("/pty/", session.id.c_str()));
  CHECK(gone.status == 404);
  CHECK(contains(gone.body, "\"code\":\"SESSION_NOT_FOUND\""));
  CHECK(d.request(HttpMethod::DELETE, kj::str("/pty/", session.id.c_str())).status == 404);
}

TEST_CASE("a terminal without a client is killed after a while, one with a client is not") {
  daemon::TerminalTimes times;
  times.idle = 400 * kj::MILLISECONDS;
  Daemon d(times);
  auto lonely = startShell(d, "exec sleep 1000"), watched = startShell(d, "while read line; do echo got:$line; done");
  auto client = kj::heap<Client>(d, watched);
  auto ended = [&](const Session& session) { return infoOf(d, session).find("\"is_alive\":true") == std::string::npos; };
  for (int i = 0; i < 1000 && !ended(lonely); i++) d.timer().afterDelay(10 * kj::MILLISECONDS).wait(d.scope());
  CHECK(ended(lonely));
  d.timer().afterDelay(2 * times.idle).wait(d.scope());
  client->type("on\n");
  client->expect("got:on");
  // The clock starts when the last client leaves.
  client = nullptr;
  for (int i = 0; i < 1000 && !ended(watched); i++) d.timer().afterDelay(10 * kj::MILLISECONDS).wait(d.scope());
  CHECK(ended(watched));
}

TEST_CASE("an ended terminal is forgotten after a while, whoever still asks for it") {
  daemon::TerminalTimes times;
  times.dead = 400 * kj::MILLISECONDS;
  Daemon d(times);
  auto session = startShell(d, "echo bye");
  Client client(d, session);
  CHECK(client.end() == exited(0));
  CHECK(infoOf(d, session).find("\"exit_code\":0") != std::string::npos);
  auto known = [&]() { return d.request(HttpMethod::GET, kj::str("/pty/", session.id.c_str())).status != 404; };
  for (int i = 0; i < 1000 && known(); i++) d.timer().afterDelay(10 * kj::MILLISECONDS).wait(d.scope());
  CHECK(!known());
  RawSocket late(d.context(), d.connect(), "x", "/api/v1/pty/" + session.id + "/ws?token=" + session.token);
  CHECK(late.status() == 403);
}

TEST_CASE("a terminal's socket wants its token, in the query or the header, and never shows it") {
  Daemon d;
  auto session = startShell(d, "read line");
  auto other = startShell(d, "read line");
  auto open = [&](const std::string& query, const std::string& headers = "") {
    return RawSocket(d.context(), d.connect(), "x", "/api/v1/pty/" + session.id + "/ws" + query, headers);
  };
  CHECK(session.token.size() == 64);
  CHECK(session.token != other.token);
  CHECK(open("?token=" + session.token).status() == 101);
  CHECK(open("", "X-PTY-Token: " + session.token + "\r\n").status() == 101);
  for (auto token : {std::string(), std::string("x"), other.token, session.token + "x", session.token.substr(1)}) {
    auto refused = open("?token=" + token);
    CHECK(refused.status() == 403);
    CHECK(refused.body() == R"({"error":"Invalid token","code":"INVALID_TOKEN"})");
  }
  RawSocket unknown(d.context(), d.connect(), "x", "/api/v1/pty/nobody/ws?token=" + session.token);
  CHECK(unknown.status() == 403);
  CHECK(d.request(HttpMethod::GET, ("/pty/" + session.id + "/ws?token=" + session.token).c_str()).status == 400);
  auto list = d.request(HttpMethod::GET, "/pty").body;
  CHECK(contains(list, session.id.c_str()));
  CHECK(contains(list, other.id.c_str()));
  CHECK(!contains(list, session.token.c_str()));
  CHECK(infoOf(d, session).find(session.token) == std::string::npos);
}

TEST_CASE("there are 64 terminals at most, and each that ends makes room") {
  Daemon d;
  std::vector<Session> sessions;
  for (int i = 0; i < 64; i++) sessions.push_back(startTerminal(d, R"({"command":"cat"})"));
  auto refused = d.request(HttpMethod::POST, "/pty", R"({"command":"cat"})");
  CHECK(refused.status == 429);
  CHECK(contains(refused.body, "\"code\":\"TOO_MANY_SESSIONS\""));
  CHECK(d.request(HttpMethod::DELETE, kj::str("/pty/", sessions[5].id.c_str())).status == 204);
  for (int i = 0; i < 500; i++) {
    if (d.request(HttpMethod::GET, kj::str("/pty/", sessions[5].id.c_str())).status == 404) break;
    d.timer().afterDelay(10 * kj::MILLISECONDS).wait(d.scope());
  }
  startTerminal(d, R"({"command":"cat"})");
}

TEST_CASE("a terminal that cannot be started says why") {
  Daemon d;
  auto answer = d.request(HttpMethod::POST, "/pty", R"({"command":"no-such-program"})");
  CHECK(answer.status == 500);
  CHECK(contains(answer.body, "no-such-program: No such file"));
  CHECK(d.request(HttpMethod::POST, "/pty", R"({"rows":5})").status == 422);
  CHECK(d.request(HttpMethod::POST, "/pty", R"({"command":"sh","rows":"5"})").status == 422);
  CHECK(d.request(HttpMethod::POST, "/pty", R"({"command":"sh","cols":65536})").status == 422);
  CHECK(d.request(HttpMethod::GET, "/pty").body == "{\"sessions\":[]}");
}

TEST_CASE("a terminal's program that does not read holds back who types, and others see the rest go on") {
  Daemon d;
  auto session = startShell(d, "stty raw -echo; echo raw; while [ ! -e go ]; do sleep 0.05; done; head -c 900000 | wc -c");
  Client client(d, session);
  client.expect("raw");
  for (int i = 0; i < 18; i++) client.type(std::string(50'000, 'x'));
  Client other(d, session);
  other.expect("raw");
  close(open(kj::str(d.folder.path, "/go").cStr(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  client.expect("900000");
}

TEST_CASE("terminal output: a cursor keeps what it has not read, within a bound") {
  using daemon::TerminalOutput;
  TerminalOutput output;
  std::string all;
  TerminalOutput::Cursor slow(output);
  auto add = [&](size_t size) {
    std::string bytes;
    for (size_t i = 0; i < size; i++) bytes += char('a' + (all.size() + i) % 23);
    all += bytes;
    output.add(kj::StringPtr(bytes.c_str(), bytes.size()).asBytes());
  };
  auto drain = [&](TerminalOutput::Cursor& cursor) {
    std::string read;
    while (cursor.unread() > 0) {
      auto bytes = cursor.peek();
      REQUIRE(bytes.size() > 0);
      read.append(bytes.asChars().begin(), bytes.size());
      cursor.advance(bytes.size());
    }
    return read;
  };
  for (size_t size : {1, 16383, 1, 100, 40000, 16384, 3}) add(size);
  CHECK(drain(slow) == all);
  for (int i = 0; i < 50; i++) add(100'000);
  CHECK(slow.unread() == 5'000'000);
  {
    TerminalOutput::Cursor fresh(output);
    CHECK(drain(fresh) == all.substr(all.size() - (1 << 20)));
  }
  CHECK(!slow.isLost());
  CHECK(drain(slow) == all.substr(all.size() - 5'000'000));
  for (int i = 0; i < 170; i++) add(100'000);
  CHECK(slow.isLost());
  CHECK(slow.peek().size() == 0);
}
