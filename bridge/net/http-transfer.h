#pragma once
// One request of net/http-client.h: a curl easy handle with its buffers, deadlines and the wording of its failures.

#include "base/error.h"
#include "net/curl-loop.h"
#include "net/http-client.h"

#include <kj/refcount.h>

namespace sandbridge {

class HttpTransfer final : public kj::Refcounted, private CurlLoop::Owner {
 public:
  // The file name of exceptions about requests that never left, by which phaseOf() knows them: unlike a context it never
  // reaches people or the wire.
  static constexpr kj::StringPtr NOT_SENT_MARK = "http-client: not sent"_kj;
  static kj::Exception notSent(ErrorKind kind, kj::StringPtr text);

  HttpTransfer(kj::Own<CurlLoop> loop, HttpClient::Request request);
  ~HttpTransfer() noexcept(false);
  KJ_DISALLOW_COPY(HttpTransfer);

  // Resolves when status and headers are there. Call once.
  kj::Promise<void> start();

  kj::StringPtr hostAndPort() const { return host; }
  unsigned status() const { return statusCode; }
  kj::Vector<HttpClient::Header> takeHeaders() { return kj::mv(headers); }
  // Of the whole body, where the server has told it.
  kj::Maybe<uint64_t> bodySize() const { return announcedSize; }

  // Of the body, as kj::AsyncInputStream::tryRead().
  kj::Promise<size_t> read(kj::ArrayPtr<kj::byte> buffer, size_t minBytes);

 private:
  kj::Own<CurlLoop> loop;
  HttpClient::Request request;
  kj::String host;  // with port, for errors
  CURL* easy;
  curl_slist* headerList = nullptr;
  char curlError[CURL_ERROR_SIZE] = {};
  bool added = false;

  // Response.
  kj::Own<kj::PromiseFulfiller<void>> headersDone;
  kj::Vector<HttpClient::Header> headers;
  size_t headerBytes = 0;
  unsigned statusCode = 0;
  bool headersComplete = false;
  kj::Maybe<uint64_t> announcedSize;
  kj::ArrayPtr<kj::byte> destination;  // what is left of the waiting reader's own memory
  size_t wanted = 0;                   // of it, before the reader is woken
  kj::Vector<kj::byte> buffer;  // received and not read, from `bufferStart` on
  size_t bufferStart = 0;
  bool receivePaused = false;
  bool finished = false;
  kj::Maybe<kj::Exception> failure;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> reader;  // who waits for the buffer to change

  // Request body.
  kj::ArrayPtr<const kj::byte> unsent;
  kj::Array<kj::byte> chunk;
  uint64_t streamLeft = 0;  // of a stream: what was not yet taken from it
  bool sendPaused = false;
  kj::Maybe<kj::Exception> sourceFailure;
  kj::Promise<void> source = nullptr;

  unsigned attempts = 0;
  kj::TimePoint started;
  kj::TimePoint lastActivity;
  kj::Promise<void> watchdog = nullptr;

  void configure();
  void configureBody();
  void configureHeaders();

  size_t buffered() const { return buffer.size() - bufferStart; }
  void resume();
  kj::Promise<void> fetchChunk();
  kj::Promise<void> watch();
  void ended(CURLcode code) override;
  void fail(kj::Exception e);
  void wakeReader();
  bool requestLeft() const;
  kj::Exception transportError(kj::StringPtr text) const;
  kj::Exception toException(CURLcode code) const;

  static curl_socket_t onOpenSocket(void*, curlsocktype, curl_sockaddr* address);
  static int onPrerequest(void* self, char*, char*, int, int);
  static size_t onHeader(char* data, size_t size, size_t count, void* self);
  static size_t onWrite(char* data, size_t size, size_t count, void* self);
  static size_t onRead(char* data, size_t size, size_t count, void* self);
};

}  // namespace sandbridge
