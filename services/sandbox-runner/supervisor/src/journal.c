#define _GNU_SOURCE
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

enum { TYPE_HEADER = 1, TYPE_STARTED = 2, TYPE_OUTPUT = 3, TYPE_END = 4 };
enum { HEADER_BODY_BYTES = 88, STARTED_BODY_BYTES = 16, END_PREFIX_BYTES = 64 };
enum { FLAG_MAY_JUMP = 1 };
enum { RETRY_MS_MIN = 20, RETRY_MS_MAX = 1000 };

static void put(uint8_t *at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> (8 * i));
}

// Prepares the frame's prefix and a zeroed body prefix; returns the body.
static uint8_t *begin_frame(struct journal *journal, int type, size_t body_bytes, size_t zeroed_bytes) {
  put(journal->frame, body_bytes, 4);
  put(journal->frame + 4, (uint64_t)type, 4);
  memset(journal->frame + FRAME_PREFIX_BYTES, 0, zeroed_bytes);
  journal->length = FRAME_PREFIX_BYTES + body_bytes;
  journal->written = 0;
  return journal->frame + FRAME_PREFIX_BYTES;
}

bool journal_waiting(const struct journal *journal) { return journal->written < journal->length; }

bool journal_flush(struct journal *journal) {
  while (journal_waiting(journal)) {
    ssize_t n = write(journal->fd, journal->frame + journal->written, journal->length - journal->written);
    if (n < 0 && errno == EINTR) continue;
    if (n > 0) {
      journal->written += (size_t)n;
      continue;
    }
    int64_t doubled = journal->backoff_ms * 2;
    journal->backoff_ms = doubled < RETRY_MS_MIN ? RETRY_MS_MIN : doubled > RETRY_MS_MAX ? RETRY_MS_MAX : doubled;
    journal->retry_at_ms = clock_monotonic_ms() + journal->backoff_ms;
    return false;
  }
  journal->length = journal->written = 0;
  journal->backoff_ms = 0;
  journal->retry_at_ms = NEVER;
  return true;
}

// A journal whose header never became whole was never started: it is taken over.
static int open_new(int directory_fd, const char *id) {
  int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  int fd = openat(directory_fd, id, flags | O_CREAT | O_EXCL, 0600);
  if (fd >= 0 || errno != EEXIST) return fd;
  fd = openat(directory_fd, id, flags);
  if (fd < 0) return -1;
  struct stat status;
  bool headless = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size < FRAME_PREFIX_BYTES + HEADER_BODY_BYTES;
  if (headless && ftruncate(fd, 0) == 0) return fd;
  close(fd);
  errno = EEXIST;
  return -1;
}

int journal_create(struct journal *journal, int directory_fd, const char *id, const char *boot_id, bool may_jump) {
  journal->length = journal->written = 0;
  journal->backoff_ms = 0;
  journal->retry_at_ms = NEVER;
  journal->fd = open_new(directory_fd, id);
  if (journal->fd < 0) return errno;
  uint8_t *body = begin_frame(journal, TYPE_HEADER, HEADER_BODY_BYTES, HEADER_BODY_BYTES);
  memcpy(body, "WTJRNL\r\n", 8);
  put(body + 8, PROTOCOL_VERSION, 4);
  put(body + 12, may_jump ? FLAG_MAY_JUMP : 0, 4);
  put(body + 16, clock_wall_ns(), 8);
  memcpy(body + 24, boot_id, BOOT_ID_BYTES);
  memcpy(body + 56, id, ID_BYTES);
  if (journal_flush(journal)) return 0;
  // What is there of the header does not count as started, also where it cannot be taken back.
  int ignored = ftruncate(journal->fd, 0);
  (void)ignored;
  journal_close(journal);
  return ENOSPC;
}

void journal_close(struct journal *journal) {
  close(journal->fd);
  journal->fd = -1;
  journal->length = journal->written = 0;
  journal->retry_at_ms = NEVER;
}

void journal_started(struct journal *journal, int pid) {
  uint8_t *body = begin_frame(journal, TYPE_STARTED, STARTED_BODY_BYTES, STARTED_BODY_BYTES);
  put(body, clock_wall_ns(), 8);
  put(body + 8, (uint32_t)pid, 4);
  journal_flush(journal);
}

uint8_t *journal_output_space(struct journal *journal) { return journal->frame + FRAME_PREFIX_BYTES + OUTPUT_PREFIX_BYTES; }

void journal_output(struct journal *journal, int stream, uint64_t offset, uint64_t position, size_t length) {
  uint8_t *body = begin_frame(journal, TYPE_OUTPUT, OUTPUT_PREFIX_BYTES + length, OUTPUT_PREFIX_BYTES);
  put(body, offset, 8);
  put(body + 8, position, 8);
  put(body + 16, clock_wall_ns(), 8);
  body[24] = (uint8_t)stream;
  journal_flush(journal);
}

static uint64_t microseconds(struct timeval t) { return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_usec; }

void journal_end(struct journal *journal, const struct journal_end *end) {
  size_t reason_bytes = strnlen(end->reason, REASON_BYTES_MAX);
  uint8_t *body = begin_frame(journal, TYPE_END, END_PREFIX_BYTES + reason_bytes, END_PREFIX_BYTES);
  body[0] = (uint8_t)end->outcome;
  body[1] = (uint8_t)((end->has_exit_code ? 1 : 0) | (end->has_signal ? 2 : 0) | (end->output_truncated ? 4 : 0));
  put(body + 2, reason_bytes, 2);
  put(body + 4, (uint32_t)end->exit_code, 4);
  put(body + 8, (uint32_t)end->signal, 4);
  put(body + 16, end->stdout_bytes, 8);
  put(body + 24, end->stderr_bytes, 8);
  put(body + 32, microseconds(end->usage.ru_utime), 8);
  put(body + 40, microseconds(end->usage.ru_stime), 8);
  put(body + 48, (uint64_t)end->usage.ru_maxrss, 8);
  put(body + 56, clock_wall_ns(), 8);
  memcpy(body + END_PREFIX_BYTES, end->reason, reason_bytes);
  journal_flush(journal);
}
