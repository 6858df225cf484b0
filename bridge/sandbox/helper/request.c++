#include "sandbox/helper/request.h"

#include <string.h>

namespace sandbridge::helper {

namespace {

bool parseNumber(const char*& text, uint64_t& value) {
  if (*text < '0' || *text > '9') return false;
  value = 0;
  for (int digits = 0; *text >= '0' && *text <= '9'; ++text) {
    if (++digits > 18) return false;
    value = value * 10 + (*text - '0');
  }
  return true;
}

bool wholeNumber(const char* text, uint64_t& value) {
  return parseNumber(text, value) && *text == 0;
}

bool position(const char* text, Position& result) {
  return parseNumber(text, result.line) && *text++ == ':' && wholeNumber(text, result.byte);
}

bool hex(const char* text, uint64_t& value) {
  value = 0;
  for (int i = 0; i < 16; ++i) {
    char c = text[i];
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return false;
    value = value << 4 | unsigned(digit);
  }
  return true;
}

// The value when `word` is KEY=VALUE.
const char* valueOf(const char* word, const char* key) {
  size_t size = strlen(key);
  return strncmp(word, key, size) == 0 && word[size] == '=' ? word + size + 1 : nullptr;
}

}  // namespace

const char* parseRequest(char** words, size_t count, Request& request) {
  bool hasId = false;
  size_t i = 0;
  for (; i < count && strcmp(words[i], "--") != 0; ++i) {
    char* word = words[i];
    const char* value;
    bool good = true;
    if (strcmp(word, "make") == 0) request.make = true;
    else if (strcmp(word, "merge") == 0) request.merge = true;
    else if (strcmp(word, "stdin") == 0) request.keepStdin = true;
    else if (strcmp(word, "shell") == 0) request.shell = true;
    else if (strcmp(word, "join") == 0) request.join = true;
    else if ((value = valueOf(word, "id")))
      good = hasId = strlen(value) == 32 && hex(value, request.id.high) && hex(value + 16, request.id.low);
    else if ((value = valueOf(word, "dir"))) request.dir = value;
    else if ((value = valueOf(word, "only")))
      good = request.hasOnly = strlen(value) == 16 && hex(value, request.only);
    else if ((value = valueOf(word, "out"))) good = position(value, request.out);
    else if ((value = valueOf(word, "err"))) good = position(value, request.err);
    else if ((value = valueOf(word, "copy"))) request.copy.path = value;
    else if ((value = valueOf(word, "copy-lines"))) good = wholeNumber(value, request.copy.lines);
    else if ((value = valueOf(word, "copy-bytes")))
      good = wholeNumber(value, request.copy.bytes) && request.copy.bytes <= MAX_COPY_BYTES;
    else if ((value = valueOf(word, "copy-limit"))) good = wholeNumber(value, request.copy.limit);
    else if ((value = valueOf(word, "copy-notice"))) request.copy.notice = value;
    else if ((value = valueOf(word, "env"))) {
      good = *value != '=' && strchr(value, '=') != nullptr;
      words[request.variableCount++] = const_cast<char*>(value);
    } else good = false;
    if (!good) return word;
  }
  if (!hasId || request.id == Id()) return "there is no id";
  if (request.dir == nullptr || request.dir[0] != '/') return "there is no working directory";
  if (request.copy.path != nullptr && request.copy.path[0] != '/') return "the copy's path is not absolute";
  if (i + 1 >= count) return "there is no program";
  request.program = words + i + 1;
  return nullptr;
}

long splitWords(char* block, size_t size, char** words) {
  if (size > 0 && block[size - 1] != 0) return -1;
  size_t count = 0;
  for (size_t at = 0; at < size; at += strlen(block + at) + 1) {
    if (count == MAX_WORDS) return -1;
    words[count++] = block + at;
  }
  words[count] = nullptr;
  return static_cast<long>(count);
}

}  // namespace sandbridge::helper
