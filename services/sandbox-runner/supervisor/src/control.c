#include "control.h"

#include <string.h>

#include "ident.h"

// The next word, ended in place; the rest of the line stays in `*rest`. NULL when there is none.
static char *next_word(char **rest) {
  char *word = *rest;
  if (word == NULL || *word == '\0') return NULL;
  char *space = strchr(word, ' ');
  if (space != NULL) *space = '\0';
  *rest = space == NULL ? NULL : space + 1;
  return word;
}

static bool next_number(char **rest, uint64_t max, uint64_t *out) {
  const char *word = next_word(rest);
  return word != NULL && number_parse(word, max, out);
}

static bool parse_reason(char *rest, struct control_line *out) {
  if (rest == NULL || *rest == '\0') return false;
  size_t length = strlen(rest);
  if (length > CANCEL_REASON_BYTES_MAX) return false;
  memcpy(out->reason, rest, length + 1);
  return true;
}

static bool parse_arguments(char *rest, struct control_line *out) {
  switch (out->verb) {
    case CONTROL_START:
      return rest == NULL;
    case CONTROL_SIGNAL:
      return next_number(&rest, 64, &out->number) && out->number > 0 && rest == NULL;
    case CONTROL_CANCEL:
      return next_number(&rest, DURATION_MS_MAX, &out->number) && parse_reason(rest, out);
    case CONTROL_ACK:
      return next_number(&rest, UINT64_MAX, &out->number) && rest == NULL;
    case CONTROL_STDIN:
      if (!next_number(&rest, INT64_MAX, &out->number)) return false;
      out->close = rest != NULL;
      return rest == NULL || strcmp(rest, "close") == 0;
    case CONTROL_STATUS:
      return rest == NULL;
  }
  return false;
}

bool control_parse(char *line, struct control_line *out) {
  static const char *const verbs[] = {"start", "signal", "cancel", "ack", "stdin", "status"};
  memset(out, 0, sizeof *out);
  char *rest = line;
  const char *verb = next_word(&rest);
  if (verb == NULL) return false;
  size_t found = 0;
  while (found < sizeof verbs / sizeof *verbs && strcmp(verb, verbs[found]) != 0) found++;
  if (found == sizeof verbs / sizeof *verbs) return false;
  out->verb = (enum control_verb)found;
  if (out->verb != CONTROL_STATUS) {
    const char *id = next_word(&rest);
    if (id == NULL || !ident_valid(id)) return false;
    memcpy(out->id, id, ID_BYTES + 1);
  }
  return parse_arguments(rest, out);
}

static void end_line(struct control_buffer *buffer, control_handler *handle, void *context) {
  struct control_line line;
  buffer->line[buffer->length] = '\0';
  bool has_nul = strlen(buffer->line) != buffer->length;
  if (buffer->too_long || has_nul)
    handle(context, NULL);
  else if (buffer->length > 0)
    handle(context, control_parse(buffer->line, &line) ? &line : NULL);
  buffer->length = 0;
  buffer->too_long = false;
}

void control_feed(struct control_buffer *buffer, const char *bytes, size_t length, control_handler *handle, void *context) {
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] == '\n')
      end_line(buffer, handle, context);
    else if (buffer->length == CONTROL_LINE_BYTES_MAX)
      buffer->too_long = true;
    else
      buffer->line[buffer->length++] = bytes[i];
  }
}
