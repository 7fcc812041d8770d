// The pipes of ended commands that processes left behind still hold: read and thrown away, so that those neither block nor get SIGPIPE.
// At most DISCARD_PIPES_MAX; one more closes the oldest.
#ifndef WORKTRAIL_DISCARD_H
#define WORKTRAIL_DISCARD_H

#include "supervisor.h"

// Takes the descriptor over; one that has no writer any more is closed at once.
void discard_take(const struct supervisor *supervisor, int fd);
void discard_ready(const struct supervisor *supervisor, struct source *source);

#endif
