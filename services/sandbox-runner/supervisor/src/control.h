// Control lines: cut out of the byte stream, then parsed.
//
// What is wrong with one line never reaches the next: a line that is too long is skipped up to its newline.
#ifndef WORKTRAIL_CONTROL_H
#define WORKTRAIL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

enum control_verb { CONTROL_START, CONTROL_SIGNAL, CONTROL_CANCEL, CONTROL_ACK, CONTROL_STDIN, CONTROL_STATUS };

struct control_line {
  enum control_verb verb;
  char id[ID_BYTES + 1];                     // empty for status
  uint64_t number;                           // signal number, grace in ms, position, or length
  bool close;                                // stdin
  char reason[CANCEL_REASON_BYTES_MAX + 1];  // cancel
};

// Takes a line apart in place; false when it is none.
bool control_parse(char *line, struct control_line *out);

struct control_buffer {
  char line[CONTROL_LINE_BYTES_MAX + 1];
  size_t length;
  bool too_long;
};

// What came of one line: parsed, or not (NULL).
typedef void control_handler(void *context, const struct control_line *line);

void control_feed(struct control_buffer *buffer, const char *bytes, size_t length, control_handler *handle, void *context);

#endif
