#define _GNU_SOURCE
#include "discard.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

struct discarded {
  struct source source;
  int fd;
  bool used;
};

static struct discarded pipes[DISCARD_PIPES_MAX];
static size_t next_place;

// False when the pipe is at its end.
static bool throw_away(int fd) {
  static char scratch[65536];
  ssize_t n = read(fd, scratch, sizeof scratch);
  return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void let_go(const struct supervisor *supervisor, struct discarded *pipe) {
  supervisor_unwatch(supervisor, pipe->fd);
  close(pipe->fd);
  pipe->used = false;
}

// A free place, looked for from the oldest on; where there is none, the oldest's.
static struct discarded *take_place(const struct supervisor *supervisor) {
  for (size_t i = 0; i < DISCARD_PIPES_MAX; i++) {
    struct discarded *pipe = &pipes[(next_place + i) % DISCARD_PIPES_MAX];
    if (pipe->used) continue;
    next_place = (next_place + i + 1) % DISCARD_PIPES_MAX;
    return pipe;
  }
  struct discarded *oldest = &pipes[next_place];
  next_place = (next_place + 1) % DISCARD_PIPES_MAX;
  let_go(supervisor, oldest);
  return oldest;
}

void discard_take(const struct supervisor *supervisor, int fd) {
  if (!throw_away(fd)) {
    close(fd);
    return;
  }
  struct discarded *pipe = take_place(supervisor);
  *pipe = (struct discarded){.source = {SOURCE_DISCARD, pipe}, .fd = fd, .used = true};
  if (!supervisor_watch(supervisor, fd, EPOLLIN, &pipe->source)) let_go(supervisor, pipe);
}

void discard_ready(const struct supervisor *supervisor, struct source *source) {
  struct discarded *pipe = source->owner;
  if (pipe->used && !throw_away(pipe->fd)) let_go(supervisor, pipe);
}
