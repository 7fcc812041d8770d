// A command's stdin: the bytes of `stdin/<id>` up to the length the host named, into a pipe, without ever blocking.
//
// Lengths are absolute, so a repeated line feeds nothing twice; after a close nothing follows.
#ifndef WORKTRAIL_STDIN_FEED_H
#define WORKTRAIL_STDIN_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "supervisor.h"

struct stdin_feed {
  struct source source;
  int pipe_fd;  // -1: none, or closed
  int file_fd;  // -1: not opened yet
  uint64_t fed, length;
  bool closing, watched;
};

void stdin_feed_open(struct stdin_feed *feed, int pipe_fd, void *owner);
void stdin_feed_extend(const struct supervisor *supervisor, struct stdin_feed *feed, const char *id, uint64_t length, bool closing);
void stdin_feed_pump(const struct supervisor *supervisor, struct stdin_feed *feed);
void stdin_feed_close(const struct supervisor *supervisor, struct stdin_feed *feed);

#endif
