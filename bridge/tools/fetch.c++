#include "tools/fetch.h"

#include "base/coroutine.h"
#include "base/header-line.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>

namespace sandbridge {

namespace {

// Prints headers and body; ends with what went wrong on stderr. N: nothing is there to fetch with. Rc files are left aside: they
// could change what is printed. Busybox' wget is not used, as it cannot tell the headers from the body.
constexpr kj::StringPtr SCRIPT = R"sh(
url=$1 agent=$2 accept=$3 seconds=$4 limit=$5 redirects=$6 python=$7 json=$8
language='Accept-Language: en-US,en;q=0.9'
export LC_ALL=C.UTF-8
if command -v curl >/dev/null 2>&1; then
  set --
  case $(curl -q -V 2>/dev/null) in *' libz'*) set -- --compressed ;; esac
  [ -z "$json" ] || set -- "$@" -H 'Content-Type: application/json' --data-raw "$json"
  exec curl -q -sS -i -L --globoff --proto =http,https --proto-redir =http,https --max-redirs "$redirects" \
    --max-time "$seconds" --max-filesize "$limit" --suppress-connect-headers "$@" \
    -A "$agent" -H "Accept: $accept" -H "$language" --url "$url"
fi
case $(wget --version 2>/dev/null) in 'GNU Wget 1.'*)
  # It would follow a redirect to FTP, but not through a proxy that is not there.
  export ftp_proxy=http://127.0.0.1:1/
  set --
  [ -z "$json" ] || set -- --header='Content-Type: application/json' --post-data="$json"
  exec wget "$@" --no-config --no-hsts --no-cookies -e netrc=off -nv -O - --save-headers --content-on-error --tries=1 \
    --max-redirect="$redirects" --user-agent="$agent" --header="Accept: $accept" --header="$language" -- "$url" ;;
esac
if command -v python3 >/dev/null 2>&1; then
  exec python3 -I -c "$python" "$url" "$seconds" "$limit" "$redirects" "$json" \
    "User-Agent: $agent" "Accept: $accept" "$language" ${json:+"Content-Type: application/json"}
fi
printf N
)sh"_kj;

// Like curl: headers and body, and its exit codes.
constexpr kj::StringPtr PYTHON = R"py(
import sys, urllib.error, urllib.request as web

url, seconds, limit, redirects, json, *headers = sys.argv[1:]

class Redirects(web.HTTPRedirectHandler):
    max_redirections = max_repeats = int(redirects)

def fail(code, text):
    print(text, file=sys.stderr)
    sys.exit(code)

opener = web.OpenerDirector()
for handler in (web.ProxyHandler, web.UnknownHandler, web.HTTPHandler, web.HTTPSHandler, web.HTTPDefaultErrorHandler,
                web.HTTPErrorProcessor, Redirects):
    opener.add_handler(handler())
try:
    request = web.Request(url, json.encode() or None, dict(line.split(": ", 1) for line in headers))
    try:
        answer = opener.open(request, timeout=float(seconds))
    except urllib.error.HTTPError as error:
        if 300 <= error.code < 400 and error.headers.get("Location"):
            fail(47, error.msg)
        answer = error
    out = sys.stdout.buffer
    out.write(b"HTTP/1.1 %d\r\n" % answer.code)
    for name, value in answer.headers.items():
        out.write(" ".join(f"{name}: {value}".split()).encode("latin-1", "replace") + b"\r\n")
    out.write(b"\r\n")
    left = int(limit) + 1
    while left > 0:
        piece = answer.read(min(left, 65536))
        if not piece:
            break
        out.write(piece)
        left -= len(piece)
    out.flush()
    if left > 0 and getattr(answer, "length", None):
        fail(18, "the answer broke off")
except Exception as error:
    reason = getattr(error, "reason", error)
    fail(28 if isinstance(reason, TimeoutError) or type(reason).__name__ == "timeout" else 1, reason)
)py"_kj;

// curl's exit codes.
constexpr unsigned MALFORMED_URL = 3, TIMED_OUT = 28, TOO_LARGE = 63;

// What headers may add to the body, all answers together.
constexpr size_t HEADER_BYTES = 1u << 20;
constexpr size_t REASON_BYTES = 500;

// curl and python3 look at the clock themselves and say so; this is for wget and for one that hangs.
constexpr auto TIMEOUT_SLACK = 1 * kj::SECONDS;

// Keeps what is printed, up to a limit.
class Intake final : public OutputReceiver {
 public:
  explicit Intake(size_t limit) : limit(limit), full(kj::newPromiseAndFulfiller<void>()) {}

  kj::Vector<kj::byte> out;
  std::string errors;
  bool overflowed = false;

  // Resolves when there is more than the limit.
  kj::Promise<void> whenFull() { return kj::mv(full.promise); }

  kj::Promise<void> stdoutChunk(kj::ArrayPtr<const kj::byte> bytes) override {
    if (overflowed) return kj::READY_NOW;
    if (out.size() + bytes.size() > limit) {
      overflowed = true;
      full.fulfiller->fulfill();
      return kj::READY_NOW;
    }
    out.addAll(bytes);
    return kj::READY_NOW;
  }
  kj::Promise<void> stderrChunk(kj::ArrayPtr<const kj::byte> bytes) override {
    auto text = bytes.asChars();
    errors.append(text.begin(), std::min(text.size(), REASON_BYTES * 4 - std::min(errors.size(), REASON_BYTES * 4)));
    return kj::READY_NOW;
  }

 private:
  size_t limit;
  kj::PromiseFulfillerPair<void> full;
};

// The last line of what a program complained of, without its name.
kj::String reasonIn(std::string_view errors) {
  while (!errors.empty() && std::isspace(static_cast<unsigned char>(errors.back()))) errors.remove_suffix(1);
  if (auto line = errors.rfind('\n'); line != std::string_view::npos) errors.remove_prefix(line + 1);
  if (errors.starts_with("curl: (")) {
    if (auto end = errors.find(") "); end != std::string_view::npos) errors.remove_prefix(end + 2);
  } else if (errors.starts_with("wget: ")) {
    errors.remove_prefix(6);
  }
  errors = errors.substr(0, REASON_BYTES);
  return validUtf8(kj::arrayPtr(errors.data(), errors.size()).asBytes());
}

// wget prints no headers of answers that have no body: it names the status in its complaint, or is content.
kj::Maybe<FetchedPage> bodiless(ExitStatus status, std::string_view errors) {
  constexpr std::string_view MARK = " ERROR ";
  FetchedPage page;
  auto mark = errors.rfind(MARK);
  if (status.success()) {
    page.status = 204;
  } else if (mark != std::string_view::npos) {
    page.status = static_cast<unsigned>(std::strtoul(std::string(errors.substr(mark + MARK.size(), 3)).c_str(), nullptr, 10));
  }
  if (page.status < 200) return nullptr;
  return kj::mv(page);
}

// "GET http://host/", for people.
kj::String target(const FetchRequest& request) {
  auto url = validUtf8(kj::arrayPtr(request.url.data(), request.url.size()).asBytes());
  return kj::str(request.json == nullptr ? "GET " : "POST ", url);
}

}  // namespace

std::string requestUrl(std::string_view url) {
  constexpr char HEX[] = "0123456789ABCDEF";
  while (!url.empty() && static_cast<unsigned char>(url.back()) <= ' ') url.remove_suffix(1);
  std::string out;
  bool inQuery = false;
  for (char c : url.substr(0, url.find('#'))) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '\t' || c == '\n' || c == '\r') continue;
    inQuery = inQuery || c == '?';
    if (c == '\\' && !inQuery) {
      out += '/';
    } else if (byte <= ' ' || byte >= 0x7f || std::string_view("\"<>").find(c) != std::string_view::npos ||
               (!inQuery && std::string_view("^`{}").find(c) != std::string_view::npos)) {
      out += {'%', HEX[byte >> 4], HEX[byte & 15]};
    } else {
      out += c;
    }
  }
  return out;
}

kj::Maybe<FetchedPage> parseAnswers(kj::ArrayPtr<const kj::byte> output) {
  std::string_view rest(reinterpret_cast<const char*>(output.begin()), output.size());
  for (;;) {
    if (!rest.starts_with("HTTP/")) return nullptr;
    FetchedPage page;
    std::string location;
    for (bool first = true;; first = false) {
      auto end = rest.find('\n');
      if (end == std::string_view::npos) return nullptr;
      auto line = trimBlanks(rest.substr(0, end));
      rest.remove_prefix(end + 1);
      if (line.empty()) break;
      if (first) {
        auto space = line.find(' ');
        if (space == std::string_view::npos || line.size() < space + 4) return nullptr;
        for (char digit : line.substr(space + 1, 3)) {
          if (digit < '0' || digit > '9') return nullptr;
          page.status = page.status * 10 + unsigned(digit - '0');
        }
        continue;
      }
      KJ_IF_MAYBE (header, parseHeaderLine(line)) {
        if (header->is("content-type")) page.contentType = header->value;
        if (header->is("location")) location = header->value;
        if (header->is("cf-mitigated")) page.challenged = header->value == "challenge";
      }
    }
    bool isInterim = page.status < 200, isRedirect = page.status >= 300 && page.status < 400 && !location.empty();
    if ((isInterim || isRedirect) && rest.starts_with("HTTP/")) continue;
    page.body = kj::heapArray(kj::arrayPtr(rest.data(), rest.size()).asBytes());
    return kj::mv(page);
  }
}

kj::String statusText(const FetchRequest& request, unsigned status) {
  return kj::str("StatusCode: non 2xx status code (", status, " ", target(request), ")");
}

kj::Promise<FetchedPage> fetchPage(ToolContext& context, const FetchRequest& request) {
  auto url = requestUrl(request.url);
  auto transportError = [&](kj::StringPtr reason) {
    return makeError(ErrorKind::FAILED, kj::str("Transport error (", target(request), ")",
                                                reason.size() > 0 ? ": " : "", reason));
  };
  auto invalid = [&]() {
    return makeError(ErrorKind::FAILED, kj::str("InvalidUrl error (", target(request), ")"));
  };
  if (url.find_first_not_of('/', url.find(':') + 1) == std::string::npos) kj::throwFatalException(invalid());

  auto milliseconds = static_cast<uint64_t>(std::ceil(request.seconds * 1000));
  auto timeout = milliseconds * kj::MILLISECONDS + TIMEOUT_SLACK;
  kj::String json;
  KJ_IF_MAYBE (j, request.json) json = kj::str(*j);
  WorkspaceCommand command;
  command.argv = kj::arr(kj::str("sh"), kj::str("-c"), kj::str(SCRIPT), kj::str("sh"), toKj(url),
                         kj::str(request.userAgent), kj::str(request.accept), kj::str(double(milliseconds) / 1000),
                         kj::str(request.mostBytes), kj::str(FETCH_REDIRECTS), kj::str(PYTHON), kj::mv(json));
  command.timeout = timeout;

  Intake intake(request.mostBytes + HEADER_BYTES);
  auto late = context.timer.afterDelay(timeout + DEATH_GRACE).then([]() {
    return ExitStatus{ExitStatus::TIMED_OUT, 0};
  });
  auto full = intake.whenFull().then([]() { return ExitStatus{ExitStatus::EXITED, TOO_LARGE}; });
  kj::Own<WorkspaceProcess> process;
  auto running = context.workspace.start(kj::mv(command), intake).then([&](kj::Own<WorkspaceProcess>&& started) {
    process = kj::mv(started);
    return process->wait();
  });
  auto status = co_await running.exclusiveJoin(kj::mv(full)).exclusiveJoin(kj::mv(late));
  process = nullptr;

  if (intake.out.size() == 1 && intake.out[0] == 'N') {
    throwError(ErrorKind::FAILED,
               "Nothing in the sandbox can fetch: it has neither curl nor GNU wget nor python3. Install one of them.");
  }
  auto is = [&](unsigned code) { return status.kind == ExitStatus::EXITED && status.value == code; };
  if (status.kind == ExitStatus::TIMED_OUT || is(TIMED_OUT)) throwError(ErrorKind::FAILED, request.timeoutText);
  if (is(MALFORMED_URL)) kj::throwFatalException(invalid());
  auto answer = intake.out.size() > 0 ? parseAnswers(intake.out) : bodiless(status, intake.errors);
  bool tooLarge = is(TOO_LARGE);
  KJ_IF_MAYBE (page, answer) {
    // An error's page may be of any size, and need not be whole.
    if (page->status >= 400) co_return kj::mv(*page);
    tooLarge = tooLarge || page->body.size() > request.mostBytes;
    if (!tooLarge && (status.success() || page->status == 304)) co_return kj::mv(*page);
  }
  if (tooLarge) throwError(ErrorKind::FAILED, "Response too large (exceeds 5MB limit)");
  kj::throwFatalException(transportError(reasonIn(intake.errors)));
}

}  // namespace sandbridge
