#include "net/http-transfer.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/header-line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <kj/debug.h>

namespace sandbridge {
namespace {

// Received and unread bytes at which curl is told to pause, and at which it may go on.
constexpr size_t HIGH_WATER = 256 * 1024;
constexpr size_t LOW_WATER = 64 * 1024;
constexpr size_t MAX_HEADER_BYTES = 256 * 1024;
constexpr size_t CHUNK = 256 * 1024;
// What curl reads with one system call, and what it sends of a stream.
constexpr long RECEIVE_BUFFER = 64 * 1024;
constexpr long SEND_BUFFER = 256 * 1024;

kj::String lowerCase(std::string_view text) {
  auto result = kj::heapString(text.data(), text.size());
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  }
  return result;
}

[[noreturn]] void invalid(kj::StringPtr text) { throwError(ErrorKind::INVALID_ARGUMENT, text); }

// "host:port" or "host" of the URL, by curl's own parser, which is the one that counts.
kj::String parseHost(kj::StringPtr url) {
  auto parts = curl_url();
  KJ_ASSERT(parts != nullptr);
  KJ_DEFER(curl_url_cleanup(parts));
  char* text = nullptr;
  auto get = [&](CURLUPart part) {
    if (curl_url_get(parts, part, &text, 0) != CURLUE_OK) return kj::String(nullptr);
    KJ_DEFER(curl_free(text));
    return kj::str(text);
  };
  if (curl_url_set(parts, CURLUPART_URL, url.cStr(), CURLU_DISALLOW_USER) != CURLUE_OK) {
    invalid("the URL of an HTTP request is malformed");
  }
  auto scheme = get(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") invalid("only http and https URLs can be requested");
  auto host = get(CURLUPART_HOST), port = get(CURLUPART_PORT);
  return port.size() > 0 ? kj::str(host, ":", port) : kj::mv(host);
}

// The same, remembering the last one: nearly all requests go to one origin.
kj::String hostOf(kj::StringPtr url, CurlLoop::KnownOrigin& known) {
  if (known.prefix.size() > 0 && url.startsWith(known.prefix)) return kj::heapString(known.host);
  auto host = parseHost(url);
  auto scheme = KJ_ASSERT_NONNULL(url.findFirst(':'));
  auto authority = scheme + strlen("://");
  // Only where the host stands in the URL as curl has understood it.
  if (url.size() > authority + host.size() && url.slice(authority).startsWith(host) &&
      url[authority + host.size()] == '/') {
    known.prefix = kj::heapString(url.slice(0, authority + host.size() + 1));
    known.host = kj::heapString(host);
  }
  return host;
}

bool isLoopback(kj::StringPtr host) {
  kj::String name;
  KJ_IF_MAYBE (colon, host.findLast(':')) {
    name = host.endsWith("]") ? kj::str(host) : kj::str(host.slice(0, *colon));
  } else {
    name = kj::str(host);
  }
  return name == "localhost" || name.endsWith(".localhost") || name.startsWith("127.") ||
         name == "[::1]";
}

bool isToken(kj::StringPtr name) {
  for (char c : name) {
    if (c <= ' ' || c > '~' || strchr("()<>@,;:\\\"/[]?={}", c) != nullptr) return false;
  }
  return name.size() > 0;
}

kj::Maybe<uint64_t> announcedSizeOf(kj::ArrayPtr<const HttpClient::Header> headers) {
  for (auto& h : headers) {
    if (h.name != "content-length") continue;
    uint64_t size = 0;
    for (char c : h.value) {
      if (c < '0' || c > '9' || size > (1ull << 50)) return nullptr;
      size = size * 10 + (c - '0');
    }
    return size;
  }
  return nullptr;
}

kj::String seconds(kj::Duration duration) {
  auto ms = duration / kj::MILLISECONDS;
  return ms % 1000 == 0 ? kj::str(ms / 1000, " s") : kj::str(ms, " ms");
}

}  // namespace

kj::Exception HttpTransfer::notSent(ErrorKind kind, kj::StringPtr text) {
  auto e = makeError(kind, text);
  return kj::Exception(e.getType(), NOT_SENT_MARK.cStr(), 0, kj::str(e.getDescription()));
}

HttpTransfer::HttpTransfer(kj::Own<CurlLoop> loopParam, HttpClient::Request requestParam)
    : loop(kj::mv(loopParam)),
      request(kj::mv(requestParam)),
      host(hostOf(request.url, loop->knownOrigin)),
      easy(loop->takeHandle()),
      started(loop->timer.now()),
      lastActivity(started) {
  KJ_ON_SCOPE_FAILURE({
    loop->giveBack(easy);
    curl_slist_free_all(headerList);
  });
  configure();
}

HttpTransfer::~HttpTransfer() noexcept(false) {
  watchdog = nullptr;
  source = nullptr;
  if (added) loop->remove(easy);
  loop->giveBack(easy);
  curl_slist_free_all(headerList);
}

void HttpTransfer::configure() {
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, curlError);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
  curl_easy_setopt(easy, CURLOPT_URL, request.url.cStr());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);  // a path is what it says: `..` is not taken out
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   kj::max(1l, static_cast<long>(request.connectTimeout / kj::MILLISECONDS)));
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 30L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 15L);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &onOpenSocket);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &onPrerequest);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &onHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &onWrite);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  if (strncasecmp(request.url.cStr(), "https:", 6) == 0) {
    // Rather share the HTTP/2 connection that is being made than make another one.
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
  }
  if (isLoopback(host)) curl_easy_setopt(easy, CURLOPT_PROXY, "");
  for (auto name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
    auto file = getenv(name);
    if (file != nullptr && *file != '\0') {
      curl_easy_setopt(easy, CURLOPT_CAINFO, file);
      break;
    }
  }
  configureBody();
  configureHeaders();
}

void HttpTransfer::configureBody() {
  if (!isToken(request.method)) invalid("the method of an HTTP request is malformed");
  kj::Maybe<uint64_t> size;
  KJ_SWITCH_ONEOF(request.body) {
    KJ_CASE_ONEOF(none, decltype(nullptr)) {
      if (request.method == "POST" || request.method == "PUT") size = uint64_t(0);
    }
    KJ_CASE_ONEOF(bytes, kj::Array<const kj::byte>) {
      unsent = bytes;
      size = bytes.size();
    }
    KJ_CASE_ONEOF(stream, HttpClient::StreamBody) {
      streamLeft = stream.size;
      curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER);
      size = stream.size;
    }
  }
  KJ_IF_MAYBE (s, size) {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(*s));
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &onRead);
    curl_easy_setopt(easy, CURLOPT_READDATA, this);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.cStr());
  } else if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.cStr());
  }
}

void HttpTransfer::configureHeaders() {
  auto append = [&](kj::StringPtr line) {
    auto longer = curl_slist_append(headerList, line.cStr());
    KJ_REQUIRE(longer != nullptr, "out of memory");
    headerList = longer;
  };
  append("Expect:");  // no waiting for "100 Continue"
  for (auto& h : request.headers) {
    if (!isToken(h.name)) invalid("the name of an HTTP header is malformed");
    for (char c : h.value) {
      if (c == '\r' || c == '\n' || c == '\0') {
        invalid(kj::str("the HTTP header ", h.name, " holds a line break or NUL"));
      }
    }
    // "Name:" would tell curl to leave the header out.
    append(h.value.size() == 0 ? kj::str(h.name, ";") : kj::str(h.name, ": ", h.value));
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headerList);
}

kj::Promise<void> HttpTransfer::start() {
  auto paf = kj::newPromiseAndFulfiller<void>();
  headersDone = kj::mv(paf.fulfiller);
  started = lastActivity = loop->timer.now();
  loop->add(easy, *this);
  added = true;
  if (request.answerTimeout != nullptr || request.totalTimeout != nullptr ||
      request.idleTimeout != nullptr) {
    watchdog = watch().eagerlyEvaluate(nullptr);
  }
  return kj::mv(paf.promise);
}

kj::Promise<size_t> HttpTransfer::read(kj::ArrayPtr<kj::byte> out, size_t minBytes) {
  size_t total = 0;
  for (;;) {
    auto n = kj::min(buffered(), out.size() - total);
    if (n > 0) memcpy(out.begin() + total, buffer.begin() + bufferStart, n);
    total += n;
    bufferStart += n;
    if (bufferStart == buffer.size()) {
      buffer.resize(0);
      bufferStart = 0;
    }
    if (receivePaused && buffered() <= LOW_WATER) {
      receivePaused = false;
      resume();  // may fill the buffer at once
    }
    if (total >= minBytes || total == out.size()) co_return total;
    if (buffered() > 0) continue;
    KJ_IF_MAYBE (e, failure) { kj::throwFatalException(kj::cp(*e)); }
    if (finished) co_return total;
    auto paf = kj::newPromiseAndFulfiller<void>();
    KJ_REQUIRE(reader == nullptr, "the body is being read already");
    reader = kj::mv(paf.fulfiller);
    destination = out.slice(total, out.size());
    wanted = minBytes - total;
    KJ_DEFER(reader = nullptr; destination = nullptr);
    co_await paf.promise;
    total = out.size() - destination.size();
  }
}

void HttpTransfer::wakeReader() {
  KJ_IF_MAYBE (r, reader) { (*r)->fulfill(); }
}

void HttpTransfer::resume() {
  lastActivity = loop->timer.now();
  if (!added) return;
  curl_easy_pause(easy, (receivePaused ? CURLPAUSE_RECV : 0) | (sendPaused ? CURLPAUSE_SEND : 0));
  loop->kick();
}

// Gets more of a streamed request body. Never called inside curl, since the stream is foreign code.
kj::Promise<void> HttpTransfer::fetchChunk() {
  co_await kj::evalLater([]() {});
  auto& stream = request.body.get<HttpClient::StreamBody>();
  if (chunk.size() == 0) chunk = kj::heapArray<kj::byte>(kj::min(CHUNK, streamLeft));
  try {
    auto n = co_await stream.stream->tryRead(chunk.begin(), 1, kj::min(chunk.size(), streamLeft));
    if (n == 0) {
      throwError(ErrorKind::FAILED, kj::str("the request's body ended ", streamLeft, " bytes early"));
    }
    unsent = chunk.slice(0, n);
    streamLeft -= n;
  } catch (kj::Exception& e) {
    sourceFailure = kj::mv(e);
  }
  sendPaused = false;
  resume();
}

// The deadlines. Connecting has curl's own.
kj::Promise<void> HttpTransfer::watch() {
  auto& timer = loop->timer;
  for (;;) {
    auto now = timer.now();
    kj::Maybe<kj::TimePoint> next;
    auto wakeAt = [&next](kj::TimePoint time) {
      KJ_IF_MAYBE (n, next) {
        next = kj::min(*n, time);
      } else {
        next = time;
      }
    };
    KJ_IF_MAYBE (total, request.totalTimeout) {
      if (now - started >= *total) {
        fail(transportError(kj::str("no complete answer from ", host, " within ", seconds(*total))));
        co_return;
      }
      wakeAt(started + *total);
    }
    KJ_IF_MAYBE (limit, request.answerTimeout) {
      if (!headersComplete) {
        if (now - started >= *limit) {
          fail(transportError(kj::str("no answer from ", host, " within ", seconds(*limit))));
          co_return;
        }
        wakeAt(started + *limit);
      }
    }
    KJ_IF_MAYBE (idle, request.idleTimeout) {
      if (receivePaused || buffered() > 0 || sendPaused) lastActivity = now;  // we are the slow ones
      if (now - lastActivity >= *idle) {
        fail(transportError(kj::str("nothing came from ", host, " for ", seconds(*idle))));
        co_return;
      }
      wakeAt(lastActivity + *idle);
    }
    KJ_IF_MAYBE (time, next) {
      co_await timer.atTime(*time);
    } else {
      co_return;
    }
  }
}

void HttpTransfer::fail(kj::Exception e) {
  if (added) {
    added = false;
    loop->remove(easy);
  }
  finished = true;
  if (headersDone->isWaiting()) headersDone->reject(kj::cp(e));
  failure = kj::mv(e);
  wakeReader();
}

void HttpTransfer::ended(CURLcode code) {
  added = false;
  finished = true;
  watchdog = nullptr;
  KJ_IF_MAYBE (e, sourceFailure) {
    fail(kj::mv(*e));
  } else if (code != CURLE_OK) {
    fail(toException(code));
  } else if (!headersComplete) {
    fail(transportError(kj::str(host, " closed the connection without an answer")));
  } else {
    wakeReader();
  }
}

bool HttpTransfer::requestLeft() const {
  long sent = 0;
  curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
  return sent > 0 || headersComplete;
}

kj::Exception HttpTransfer::transportError(kj::StringPtr text) const {
  return requestLeft() ? makeError(ErrorKind::INTERRUPTED, text)
                       : notSent(ErrorKind::UNAVAILABLE, text);
}

kj::Exception HttpTransfer::toException(CURLcode code) const {
  long osError = 0;
  curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &osError);
  auto reason = osError != 0 ? kj::str(": ", strerror(osError)) : kj::str();
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return transportError(kj::str("the name of ", host, " cannot be resolved"));
    case CURLE_COULDNT_RESOLVE_PROXY:
      return transportError("the name of the HTTP proxy cannot be resolved");
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
      return transportError(kj::str("cannot connect to ", host, reason));
    case CURLE_OPERATION_TIMEDOUT:
      return transportError(
          kj::str("no connection to ", host, " within ", seconds(request.connectTimeout)));
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE: {
      // Curl's text is about certificates here, never about the request.
      auto text = kj::str("no secure connection to ", host, ": ",
                          curlError[0] != '\0' ? curlError : curl_easy_strerror(code));
      bool transient = code == CURLE_SSL_CONNECT_ERROR;
      return transient || requestLeft() ? transportError(text) : notSent(ErrorKind::DENIED, text);
    }
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_FAIL_REWIND:  // curl could not repeat it by itself; nor should it
      return transportError(kj::str(host, " closed the connection without an answer"));
    case CURLE_PARTIAL_FILE:
      return transportError(kj::str(host, " ended its answer before it was complete"));
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return transportError(kj::str("the connection to ", host, " broke", reason));
    case CURLE_ABORTED_BY_CALLBACK:
      return transportError(kj::str("the connection to ", host, " broke before it answered"));
    case CURLE_WRITE_ERROR:
      if (!headersComplete) return transportError(kj::str("the headers of ", host, " are too long"));
      break;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return makeError(ErrorKind::INVALID_ARGUMENT, "the URL of an HTTP request is malformed");
    default:
      break;
  }
  return transportError(kj::str("the request to ", host, " failed: ", curl_easy_strerror(code)));
}

// Child processes must not inherit connections.
curl_socket_t HttpTransfer::onOpenSocket(void*, curlsocktype, curl_sockaddr* address) {
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// Curl calls this before it sends the request, and again before it repeats it by itself because a kept-alive connection broke
// before an answer. That must not happen to a request that may have been carried out.
int HttpTransfer::onPrerequest(void* self, char*, char*, int, int) {
  auto& t = *static_cast<HttpTransfer*>(self);
  bool repeatable = t.request.method == "GET" || t.request.method == "HEAD";
  if (t.attempts++ > 0 && !repeatable && t.requestLeft()) return CURL_PREREQFUNC_ABORT;
  return CURL_PREREQFUNC_OK;
}

size_t HttpTransfer::onHeader(char* data, size_t size, size_t count, void* self) {
  auto& t = *static_cast<HttpTransfer*>(self);
  size_t n = size * count;
  t.lastActivity = t.loop->timer.now();
  if (t.headersComplete) return n;  // trailers
  t.headerBytes += n;
  if (t.headerBytes > MAX_HEADER_BYTES) return 0;
  auto line = trimBlanks({data, n});
  if (line.empty()) {
    long code = 0;
    curl_easy_getinfo(t.easy, CURLINFO_RESPONSE_CODE, &code);
    if (code >= 200) {
      t.statusCode = code;
      t.announcedSize = announcedSizeOf(t.headers);
      t.headersComplete = true;
      t.headersDone->fulfill();
    }
    return n;
  }
  if (line.starts_with("HTTP/")) {
    t.headers.clear();  // those of a "100 Continue" before
    return n;
  }
  KJ_IF_MAYBE (header, parseHeaderLine(line)) {
    t.headers.add(HttpClient::Header{lowerCase(header->name), kj::heapString(header->value.data(), header->value.size())});
  }
  return n;
}

size_t HttpTransfer::onWrite(char* data, size_t size, size_t count, void* self) {
  auto& t = *static_cast<HttpTransfer*>(self);
  size_t n = size * count;
  t.lastActivity = t.loop->timer.now();
  if (t.buffered() >= HIGH_WATER) {
    t.receivePaused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  if (t.destination.size() > 0) {
    auto direct = kj::min(n, t.destination.size());
    memcpy(t.destination.begin(), data, direct);
    t.destination = t.destination.slice(direct, t.destination.size());
    t.wanted -= kj::min(direct, t.wanted);
    if (t.wanted == 0) t.wakeReader();
    if (direct == n) return n;
    data += direct;
    size = n - direct;
    count = 1;
  }
  if (t.bufferStart > LOW_WATER) {  // reuse the part that was read
    auto left = t.buffered();
    memmove(t.buffer.begin(), t.buffer.begin() + t.bufferStart, left);
    t.buffer.resize(left);
    t.bufferStart = 0;
  }
  t.buffer.addAll(kj::arrayPtr(reinterpret_cast<kj::byte*>(data), size * count));
  t.wakeReader();
  return n;
}

size_t HttpTransfer::onRead(char* data, size_t size, size_t count, void* self) {
  auto& t = *static_cast<HttpTransfer*>(self);
  t.lastActivity = t.loop->timer.now();
  if (t.sourceFailure != nullptr) return CURL_READFUNC_ABORT;
  if (t.unsent.size() == 0 && t.streamLeft > 0) {
    t.sendPaused = true;
    t.source = t.fetchChunk().eagerlyEvaluate(nullptr);
    return CURL_READFUNC_PAUSE;
  }
  auto n = kj::min(size * count, t.unsent.size());
  if (n > 0) memcpy(data, t.unsent.begin(), n);
  t.unsent = t.unsent.slice(n, t.unsent.size());
  return n;
}

}  // namespace sandbridge
