// SPDX-License-Identifier: Apache-2.0
// VERSION, error objects and the scan of the configuration.
#include "cni_output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"

namespace usvhost::shim {
namespace {

constexpr char kLatest[] = "1.1.0";

// Index just after the closing quote of the string that opens at `at`, or size.
size_t skipString(const uint8_t* text, size_t size, size_t at) {
  for (at++; at < size && text[at] != '"'; at++) {
    if (text[at] == '\\') at++;
  }
  return at < size ? at + 1 : size;
}

size_t skipSpace(const uint8_t* text, size_t size, size_t at) {
  while (at < size && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')) at++;
  return at;
}

// False when no string opens at `at`, or one that is empty, has escapes or is too long.
bool copyString(const uint8_t* text, size_t size, size_t at, char* out, size_t capacity) {
  if (at >= size || text[at] != '"') return false;
  const size_t end = skipString(text, size, at);
  const size_t length = end - at - 2;
  if (end >= size || length == 0 || length >= capacity || memchr(text + at, '\\', length) != nullptr) return false;
  memcpy(out, text + at + 1, length);
  out[length] = 0;
  return true;
}

void appendEscaped(Bytes* out, const char* text) {
  for (; *text != 0; text++) {
    const auto c = static_cast<uint8_t>(*text);
    char escaped[8];
    if (c == '"' || c == '\\') {
      snprintf(escaped, sizeof escaped, "\\%c", c);
    } else if (c < 0x20 || c >= 0x7f) {
      snprintf(escaped, sizeof escaped, "\\u%04x", c);
    } else {
      snprintf(escaped, sizeof escaped, "%c", c);
    }
    out->append(escaped, strlen(escaped));
  }
}

}  // namespace

bool scanString(const uint8_t* text, size_t size, const char* key, char* out, size_t capacity) {
  const size_t keyLength = strlen(key);
  int depth = 0;
  for (size_t at = 0; at < size;) {
    const uint8_t c = text[at];
    if (c == '{' || c == '[') depth++;
    if (c == '}' || c == ']') depth--;
    if (c != '"') {
      at++;
      continue;
    }
    const size_t end = skipString(text, size, at);
    const bool isKey = depth == 1 && end - at == keyLength + 2 && memcmp(text + at + 1, key, keyLength) == 0;
    const size_t colon = skipSpace(text, size, end);
    if (isKey && colon < size && text[colon] == ':')
      return copyString(text, size, skipSpace(text, size, colon + 1), out, capacity);
    at = end;
  }
  return false;
}

void scanVersion(const uint8_t* text, size_t size, char (&out)[kVersionSize]) {
  const bool found = scanString(text, size, "cniVersion", out, sizeof out);
  if (!found || out[strspn(out, ".0123456789")] != 0) memcpy(out, kLatest, sizeof kLatest);
}

void printVersions(const char* version) {
  char text[160];
  const int n = snprintf(
      text, sizeof text,
      "{\"cniVersion\":\"%s\",\"supportedVersions\":[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n", version);
  writeOutput(text, static_cast<size_t>(n));
}

void printError(const char* version, int code, const char* message, const char* details) {
  Bytes out;
  char head[80];
  const int n = snprintf(head, sizeof head, "{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"", version, code);
  out.append(head, static_cast<size_t>(n));
  appendEscaped(&out, message);
  constexpr char kMiddle[] = "\",\"details\":\"";
  out.append(kMiddle, sizeof kMiddle - 1);
  appendEscaped(&out, details);
  out.append("\"}\n", 3);
  writeOutput(out.data(), out.size());
}

int writeOutput(const void* bytes, size_t size) {
  const auto* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t n = write(STDOUT_FILENO, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return 0;
}

}  // namespace usvhost::shim
