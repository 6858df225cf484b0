#include "sandbox/helper/lines.h"

namespace sandbridge::helper {

namespace {

char* putNumber(char* to, uint64_t value) {
  char digits[20];
  int n = 0;
  do {
    digits[n++] = char('0' + value % 10);
    value /= 10;
  } while (value > 0);
  while (n > 0) *to++ = digits[--n];
  return to;
}

char* putBase64(char* to, const char* bytes, size_t n) {
  static constexpr char DIGITS[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  auto in = reinterpret_cast<const unsigned char*>(bytes);
  for (; n >= 3; n -= 3, in += 3) {
    unsigned v = in[0] << 16 | in[1] << 8 | in[2];
    *to++ = DIGITS[v >> 18];
    *to++ = DIGITS[v >> 12 & 63];
    *to++ = DIGITS[v >> 6 & 63];
    *to++ = DIGITS[v & 63];
  }
  if (n > 0) {
    unsigned v = in[0] << 16 | (n == 2 ? in[1] << 8 : 0);
    *to++ = DIGITS[v >> 18];
    *to++ = DIGITS[v >> 12 & 63];
    *to++ = n == 2 ? DIGITS[v >> 6 & 63] : '=';
    *to++ = '=';
  }
  return to;
}

}  // namespace

char* putStarted(char* to, uint64_t pid, uint64_t keeper) {
  *to++ = 'p';
  *to++ = ' ';
  to = putNumber(to, pid);
  *to++ = ' ';
  for (int shift = 60; shift >= 0; shift -= 4) *to++ = "0123456789abcdef"[keeper >> shift & 15];
  *to++ = '\n';
  return to;
}

char* putData(char* to, uint64_t number, const char* bytes, size_t n) {
  *to++ = 'd';
  *to++ = ' ';
  to = putNumber(to, number);
  *to++ = ' ';
  to = putBase64(to, bytes, n);
  *to++ = '\n';
  return to;
}

char* putInputTaken(char* to, uint64_t bytes) {
  *to++ = 'i';
  *to++ = ' ';
  to = putNumber(to, bytes);
  *to++ = '\n';
  return to;
}

char* putEnd(char* to, uint64_t number) {
  *to++ = 'e';
  *to++ = ' ';
  to = putNumber(to, number);
  *to++ = '\n';
  return to;
}

char* putLeftBehind(char* to) {
  *to++ = 'b';
  *to++ = '\n';
  return to;
}

char* putStatus(char* to, bool signaled, unsigned value) {
  *to++ = signaled ? 'k' : 'x';
  *to++ = ' ';
  to = putNumber(to, value);
  *to++ = '\n';
  return to;
}

}  // namespace sandbridge::helper
