#pragma once
// A WebSocket client that writes and reads frames as they are on the wire, right and wrong ones.

#include "base/coroutine.h"

#include <kj/async-io.h>

#include <ostream>
#include <string>

namespace sandbridge::localcloud::test {

enum Opcode : int { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

struct Frame {
  int opcode;
  std::string payload;
  bool operator==(const Frame&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Frame& frame) {
  return out << "frame " << frame.opcode << " of " << frame.payload.size() << " bytes: "
             << frame.payload.substr(0, 200);
}

// The payload of a close frame.
inline std::string closing(unsigned code, const std::string& reason) {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code)} + reason;
}

class RawSocket {
 public:
  // Asks for the upgrade at once.
  RawSocket(kj::AsyncIoContext& io, kj::Own<kj::AsyncIoStream> streamParam, const std::string& host,
            const std::string& path, const std::string& headers = "")
      : io(io), stream(kj::mv(streamParam)) {
    write("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + headers +
          "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    while (text.size() < 4 || text.compare(text.size() - 4, 4, "\r\n\r\n") != 0) text += read(1);
  }
  RawSocket(kj::AsyncIoContext& io, uint16_t port, const std::string& host, const std::string& path,
            const std::string& headers = "")
      : RawSocket(io,
                  io.provider->getNetwork()
                      .parseAddress(kj::str("127.0.0.1:", port))
                      .wait(io.waitScope)
                      ->connect()
                      .wait(io.waitScope),
                  host, path, headers) {}

  const std::string& head() const { return text; }
  int status() const { return std::stoi(text.substr(9, 3)); }
  // Of an answer that is no upgrade.
  std::string body() {
    auto at = text.find("Content-Length: ");
    return at == std::string::npos ? "" : read(std::stoul(text.substr(at + 16)));
  }

  void send(int opcode, const std::string& payload) { sendFragment(opcode, payload, true); }

  void sendFragment(int opcode, const std::string& payload, bool last) {
    std::string frame{static_cast<char>(opcode | (last ? 0x80 : 0))};
    size_t size = payload.size();
    int more = size < 126 ? 0 : size < 65536 ? 2 : 8;
    frame += static_cast<char>(0x80 | (more == 0 ? size : more == 2 ? 126 : 127));
    for (int i = more; i-- > 0;) frame += static_cast<char>(size >> (8 * i));
    constexpr char MASK[] = {1, 2, 3, 4};
    frame.append(MASK, 4);
    for (size_t i = 0; i < size; i++) frame += static_cast<char>(payload[i] ^ MASK[i % 4]);
    write(frame);
  }

  // The next frame, which must come within ten seconds.
  Frame receive() {
    auto head = read(2);
    KJ_REQUIRE((head[0] & 0x70) == 0 && (head[1] & 0x80) == 0, "not a plain server's frame");
    size_t size = head[1] & 0x7f;
    if (size >= 126) {
      auto more = read(size == 126 ? 2 : 8);
      size = 0;
      for (unsigned char c : more) size = size << 8 | c;
    }
    return Frame{head[0] & 15, read(size)};
  }

  // Whether the connection is closed and nothing came before.
  bool atEnd() {
    char byte;
    return within(stream->tryRead(&byte, 1, 1).catch_([](kj::Exception&& e) -> size_t {
      if (e.getType() != kj::Exception::Type::DISCONNECTED) kj::throwFatalException(kj::mv(e));
      return 0;  // reset
    })) == 0;
  }

 private:
  kj::AsyncIoContext& io;
  kj::Own<kj::AsyncIoStream> stream;
  std::string text;

  template <typename T>
  T within(kj::Promise<T> promise) {
    return io.provider->getTimer().timeoutAfter(10 * kj::SECONDS, kj::mv(promise)).wait(io.waitScope);
  }
  // In the background: the server may stop reading.
  void write(const std::string& bytes) {
    writing = writing
                  .then([this, copy = kj::heapArray<char>(bytes.data(), bytes.size())]() mutable {
                    auto promise = stream->write(copy.begin(), copy.size());
                    return promise.attach(kj::mv(copy));
                  })
                  .eagerlyEvaluate([](kj::Exception&&) {});  // a read tells
  }
  std::string read(size_t size) {
    std::string result(size, 0);
    if (size > 0) within(stream->read(result.data(), size));
    return result;
  }

  kj::Promise<void> writing = kj::READY_NOW;
};

}  // namespace sandbridge::localcloud::test
