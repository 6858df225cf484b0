#include "lsp/framing.h"

#include "base/error.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace sandbridge::lsp {
namespace {

std::vector<std::string> parse(std::string text, size_t piece) {
  MessageParser parser;
  kj::Vector<kj::String> messages;
  for (size_t at = 0; at < text.size(); at += piece) {
    auto part = text.substr(at, piece);
    parser.feed(kj::arrayPtr(part.data(), part.size()).asBytes(), messages);
  }
  std::vector<std::string> all;
  for (auto& message : messages) all.emplace_back(message.cStr(), message.size());
  return all;
}

TEST_CASE("messages do not depend on where the stream is cut") {
  auto text = std::string(frame("{}").cStr()) + "content-length :\t4 \r\nContent-Type: x; y=\"z:\"\r\n\r\n\"\xc3\xa4\"" +
              "Content-Length: 0\r\n\r\n" + frame("[1]").cStr();
  for (size_t piece : {1u, 2u, 3u, 7u, 1000u}) {
    CHECK(parse(text, piece) == std::vector<std::string>{"{}", "\"\xc3\xa4\"", "", "[1]"});
  }
}

TEST_CASE("what is no message is refused") {
  auto text = GENERATE(as<std::string>(), "hello\r\n\r\n", "\r\n\r\n", "Content-Length: 5x\r\n\r\n", "Content-Length: -5\r\n\r\n",
                       "Content-Length: \r\n\r\n", "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
                       "Content-Length: 99999999999999999999999\r\n\r\n", "Content-Length: 8388609\r\n\r\n");
  INFO(text);
  try {
    parse(text, 1000);
    FAIL("it was taken");
  } catch (kj::Exception& e) {
    CHECK(sandbridge::kindOf(e) == ErrorKind::FAILED);
  }
  CHECK_THROWS_AS(parse(std::string(MAX_HEADER, 'x'), 100), kj::Exception);
}

}  // namespace
}  // namespace sandbridge::lsp
