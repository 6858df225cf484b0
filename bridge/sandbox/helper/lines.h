#pragma once
// The lines of command-script.h, written into memory. Pure: no system calls in here.

#include <stddef.h>
#include <stdint.h>

namespace sandbridge::helper {

// Raw bytes in one `d` line.
constexpr size_t CHUNK = 32768;
// Room that any one line needs.
constexpr size_t MAX_LINE = (CHUNK + 2) / 3 * 4 + 64;

// Each writes one line with its end at `to`, and returns where it ends.
char* putStarted(char* to, uint64_t pid, uint64_t keeper);               // p PID KEEPER
char* putData(char* to, uint64_t number, const char* bytes, size_t n);   // d N BASE64
char* putInputTaken(char* to, uint64_t bytes);                           // i N
char* putEnd(char* to, uint64_t number);                                 // e N
char* putLeftBehind(char* to);                                           // b
char* putStatus(char* to, bool signaled, unsigned value);                // x CODE, k SIGNAL

}  // namespace sandbridge::helper
