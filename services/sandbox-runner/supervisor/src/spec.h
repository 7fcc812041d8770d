// A request file, parsed in place: the strings point into the bytes that were given.
#ifndef WORKTRAIL_SPEC_H
#define WORKTRAIL_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

struct spec {
  char *argv[LIST_ENTRIES_MAX + 1];
  char *env[LIST_ENTRIES_MAX + 1];
  size_t argc;
  size_t envc;
  const char *cwd;
  const char *root;  // NULL: the supervisor's own
  uint64_t timeout_ms;
  uint64_t grace_ms;
  uint64_t output_bytes_max;
  bool keeps_tail;  // above the limit the command goes on, and so much of its end is kept:
  uint64_t output_tail_bytes;
  uint64_t unacked_bytes_max;
  bool stdin_file;
  bool internal;
};

// False leaves the reason in `*reason`, a static text.
bool spec_parse(char *bytes, size_t length, struct spec *spec, const char **reason);

#endif
