#define _GNU_SOURCE
#include "stdin_feed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

// So that one command's input does not hold up the others' output.
enum { CHUNKS_PER_TURN = 16, CHUNK_BYTES = 65536 };

void stdin_feed_open(struct stdin_feed *feed, int pipe_fd, void *owner) {
  *feed = (struct stdin_feed){.source = {SOURCE_STDIN, owner}, .pipe_fd = pipe_fd, .file_fd = -1};
}

void stdin_feed_extend(const struct supervisor *supervisor, struct stdin_feed *feed, const char *id, uint64_t length, bool closing) {
  if (feed->pipe_fd < 0) return;
  if (feed->file_fd < 0) feed->file_fd = openat(supervisor->stdin_fd, id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (!feed->closing) {
    if (length > feed->length) feed->length = length;
    feed->closing = closing;
  }
  stdin_feed_pump(supervisor, feed);
}

// How much went into the pipe; 0 when the file has no more, -1 when the pipe takes nothing now, -2 when nobody reads it.
static ssize_t feed_chunk(const struct stdin_feed *feed) {
  static char chunk[CHUNK_BYTES];
  uint64_t left = feed->length - feed->fed;
  ssize_t n = pread(feed->file_fd, chunk, left < sizeof chunk ? (size_t)left : sizeof chunk, (off_t)feed->fed);
  if (n <= 0) return 0;
  ssize_t written = write(feed->pipe_fd, chunk, (size_t)n);
  if (written >= 0) return written;
  return errno == EAGAIN || errno == EINTR ? -1 : -2;
}

static void set_watched(const struct supervisor *supervisor, struct stdin_feed *feed, bool watched) {
  if (watched == feed->watched) return;
  if (watched)
    feed->watched = supervisor_watch(supervisor, feed->pipe_fd, EPOLLOUT, &feed->source);
  else {
    supervisor_unwatch(supervisor, feed->pipe_fd);
    feed->watched = false;
  }
}

void stdin_feed_pump(const struct supervisor *supervisor, struct stdin_feed *feed) {
  if (feed->pipe_fd < 0) return;
  ssize_t n = 1;
  for (int i = 0; i < CHUNKS_PER_TURN && n > 0 && feed->fed < feed->length; i++) {
    n = feed_chunk(feed);
    if (n > 0) feed->fed += (uint64_t)n;
  }
  bool everything = feed->fed == feed->length;
  if (n == -2 || (everything && feed->closing))
    stdin_feed_close(supervisor, feed);
  else
    // A file shorter than was said waits for the next line, not for the pipe.
    set_watched(supervisor, feed, !everything && n != 0);
}

void stdin_feed_close(const struct supervisor *supervisor, struct stdin_feed *feed) {
  if (feed->pipe_fd < 0) return;
  set_watched(supervisor, feed, false);
  close(feed->pipe_fd);
  if (feed->file_fd >= 0) close(feed->file_fd);
  feed->pipe_fd = feed->file_fd = -1;
}
