#pragma once
// Between `run` and the keeper: over the socket goes a Header, with the three standard streams of
// `run` as descriptors, and then `size` bytes of words that each end with NUL. With the word `stdin`
// numbers of 64 bits follow, each of them how many bytes of its input the command has taken. Back comes one byte
// when everything has been written to the streams; an end without it means that the keeper died.

#include <stdint.h>

namespace sandbridge::helper {

constexpr uint32_t MAGIC = 0x73626b31;

struct Header {
  uint32_t magic = MAGIC;
  uint32_t size = 0;
};

constexpr const char* SOCKET_NAME = "/socket";
constexpr const char* LOCK_NAME = "/lock";

}  // namespace sandbridge::helper
