#define _GNU_SOURCE
#include "spec.h"

#include <string.h>

#include "ident.h"

static const char first_entry[] = "worktrail-request=1";

// Which keys were seen, so that one that may come once is not taken twice.
enum once { CWD = 1, ROOT = 2, TIMEOUT = 4, GRACE = 8, OUTPUT = 16, UNACKED = 32, STDIN = 64, ORIGIN = 128, TAIL = 256 };

static const char *add_argument(struct spec *spec, char *value) {
  if (spec->argc == LIST_ENTRIES_MAX) return "request: too many argv";
  if (spec->argc == 0 && *value == '\0') return "request: argv[0] is empty";
  spec->argv[spec->argc++] = value;
  return NULL;
}

static const char *add_variable(struct spec *spec, char *value) {
  if (spec->envc == LIST_ENTRIES_MAX) return "request: too many env";
  const char *equals = strchr(value, '=');
  if (equals == NULL || equals == value) return "request: env is not NAME=value";
  spec->env[spec->envc++] = value;
  return NULL;
}

static const char *set_path(const char **field, const char *value, const char *reason) {
  if (value[0] != '/' || strlen(value) > PATH_BYTES_MAX) return reason;
  *field = value;
  return NULL;
}

static const char *set_number(uint64_t *field, const char *value, uint64_t max, const char *reason) {
  return number_parse(value, max, field) ? NULL : reason;
}

static const char *set_choice(bool *field, const char *value, const char *no, const char *yes, const char *reason) {
  *field = strcmp(value, yes) == 0;
  return *field || strcmp(value, no) == 0 ? NULL : reason;
}

static const char *set_once(struct spec *spec, enum once key, const char *value) {
  switch (key) {
    case CWD:
      return set_path(&spec->cwd, value, "request: cwd is not an absolute path");
    case ROOT:
      return set_path(&spec->root, value, "request: root is not an absolute path");
    case TIMEOUT:
      return set_number(&spec->timeout_ms, value, DURATION_MS_MAX, "request: bad timeoutMs");
    case GRACE:
      return set_number(&spec->grace_ms, value, DURATION_MS_MAX, "request: bad graceMs");
    case OUTPUT:
      return set_number(&spec->output_bytes_max, value, UINT64_MAX, "request: bad outputBytesMax");
    case TAIL:
      spec->keeps_tail = true;
      return set_number(&spec->output_tail_bytes, value, OUTPUT_TAIL_BYTES_MAX, "request: bad outputTailBytes");
    case UNACKED:
      return set_number(&spec->unacked_bytes_max, value, UINT64_MAX, "request: bad unackedBytesMax");
    case STDIN:
      return set_choice(&spec->stdin_file, value, "null", "file", "request: stdin is neither null nor file");
    case ORIGIN:
      return set_choice(&spec->internal, value, "user", "internal", "request: origin is neither user nor internal");
  }
  return "request: unknown key";
}

static const char *take_entry(struct spec *spec, char *entry, unsigned *seen) {
  static const struct {
    const char *name;
    enum once key;
  } keys[] = {{"cwd", CWD},
              {"root", ROOT},
              {"timeoutMs", TIMEOUT},
              {"graceMs", GRACE},
              {"outputBytesMax", OUTPUT},
              {"outputTailBytes", TAIL},
              {"unackedBytesMax", UNACKED},
              {"stdin", STDIN},
              {"origin", ORIGIN}};
  char *value = strchr(entry, '=');
  if (value == NULL) return "request: an entry is not key=value";
  *value++ = '\0';
  if (strlen(value) > ARGUMENT_BYTES_MAX) return "request: a value is too long";
  if (strcmp(entry, "argv") == 0) return add_argument(spec, value);
  if (strcmp(entry, "env") == 0) return add_variable(spec, value);
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    if (strcmp(entry, keys[i].name) != 0) continue;
    if (*seen & keys[i].key) return "request: a key comes twice";
    *seen |= keys[i].key;
    return set_once(spec, keys[i].key, value);
  }
  return "request: unknown key";
}

static void set_defaults(struct spec *spec) {
  spec->argc = spec->envc = 0;
  spec->cwd = spec->root = NULL;
  spec->timeout_ms = spec->output_bytes_max = spec->output_tail_bytes = 0;
  spec->grace_ms = GRACE_MS_DEFAULT;
  spec->unacked_bytes_max = UNACKED_BYTES_DEFAULT;
  spec->stdin_file = spec->internal = spec->keeps_tail = false;
}

static bool tail_fits(const struct spec *spec) {
  return !spec->keeps_tail || (spec->output_bytes_max > 0 && spec->output_tail_bytes <= spec->output_bytes_max);
}

bool spec_parse(char *bytes, size_t length, struct spec *spec, const char **reason) {
  set_defaults(spec);
  unsigned seen = 0;
  bool first = true;
  for (size_t at = 0; at < length; first = false) {
    char *entry = bytes + at;
    size_t entry_length = strnlen(entry, length - at);
    if (entry_length == length - at) break;  // the last entry has no NUL: torn
    at += entry_length + 1;
    if (first) {
      if (strcmp(entry, first_entry) != 0) break;
    } else if (strcmp(entry, "end=") == 0) {
      *reason = at != length                   ? "request: something follows its end"
                : spec->argc == 0              ? "request: no argv"
                : spec->cwd == NULL            ? "request: no cwd"
                : spec->unacked_bytes_max == 0 ? "request: bad unackedBytesMax"
                : !tail_fits(spec)             ? "request: outputTailBytes is more than outputBytesMax"
                                               : NULL;
      spec->argv[spec->argc] = spec->env[spec->envc] = NULL;
      return *reason == NULL;
    } else {
      *reason = take_entry(spec, entry, &seen);
      if (*reason != NULL) return false;
    }
  }
  *reason = "request: incomplete, or not a request of this version";
  return false;
}
