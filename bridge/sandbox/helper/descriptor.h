#pragma once
// A file descriptor that closes itself.

#include <unistd.h>

namespace sandbridge::helper {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd(fd) {}
  Descriptor(Descriptor&& other) : fd(other.release()) {}
  Descriptor& operator=(Descriptor&& other) {
    close();
    fd = other.release();
    return *this;
  }
  ~Descriptor() { close(); }

  int get() const { return fd; }
  bool isOpen() const { return fd >= 0; }
  int release() {
    int result = fd;
    fd = -1;
    return result;
  }
  void close() {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }

 private:
  int fd = -1;
};

}  // namespace sandbridge::helper
