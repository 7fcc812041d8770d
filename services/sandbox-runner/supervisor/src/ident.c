#define _GNU_SOURCE
#include "ident.h"

#include <string.h>

#include "limits.h"

static bool lower(char c) { return c >= 'a' && c <= 'z'; }
static bool digit(char c) { return c >= '0' && c <= '9'; }

bool ident_valid(const char *id) {
  if (strnlen(id, ID_BYTES + 1) != ID_BYTES || id[3] != '_') return false;
  for (int i = 0; i < 3; i++)
    if (!lower(id[i])) return false;
  for (int i = 4; i < ID_BYTES; i++)
    if (!lower(id[i]) && !digit(id[i])) return false;
  return true;
}

bool number_parse(const char *text, uint64_t max, uint64_t *out) {
  if (*text == '\0') return false;
  uint64_t value = 0;
  for (; *text != '\0'; text++) {
    if (!digit(*text)) return false;
    uint64_t next = (uint64_t)(*text - '0');
    if (value > (max - next) / 10) return false;
    value = value * 10 + next;
  }
  *out = value;
  return true;
}
