// One command's journal.
//
// 1. A frame is one write. What the disk did not take stays here and is tried again, from the byte where it stopped, until it is written.
// 2. While a frame waits (`journal_waiting`), no other may be given: the caller stops reading. Nothing is dropped.
// 3. Memory is one frame; output is read straight into it.
#ifndef WORKTRAIL_JOURNAL_H
#define WORKTRAIL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include "limits.h"

#define FRAME_PREFIX_BYTES 8
#define OUTPUT_PREFIX_BYTES 32

enum outcome {
  OUTCOME_NONE = 0,
  OUTCOME_EXITED = 1,
  OUTCOME_SIGNALED = 2,
  OUTCOME_TIMED_OUT = 3,
  OUTCOME_CANCELED = 4,
  OUTCOME_OOM_KILLED = 5,
  OUTCOME_OUTPUT_LIMIT = 6,
  OUTCOME_FAILED_TO_START = 7,
};

struct journal {
  int fd;
  size_t length;   // of the frame that waits
  size_t written;  // of it, so far
  int64_t retry_at_ms;
  int64_t backoff_ms;
  uint8_t frame[FRAME_PREFIX_BYTES + OUTPUT_PREFIX_BYTES + OUTPUT_BYTES_PER_FRAME_MAX];
};

struct journal_end {
  enum outcome outcome;
  bool has_exit_code, has_signal, output_truncated;
  int exit_code, signal;
  uint64_t stdout_bytes, stderr_bytes;
  struct rusage usage;
  const char *reason;
};

// Makes the file with its header. 0; EEXIST when this command was started before; else errno, and nothing is left that counts as started.
// `may_jump`: its output may have one gap, of what was not kept.
int journal_create(struct journal *journal, int directory_fd, const char *id, const char *boot_id, bool may_jump);
void journal_close(struct journal *journal);

bool journal_waiting(const struct journal *journal);
// Tries again what waits; true when nothing waits any more.
bool journal_flush(struct journal *journal);

void journal_started(struct journal *journal, int pid);
// Where the next output is to be read to: room for OUTPUT_BYTES_PER_FRAME_MAX.
uint8_t *journal_output_space(struct journal *journal);
void journal_output(struct journal *journal, int stream, uint64_t offset, uint64_t position, size_t length);
void journal_end(struct journal *journal, const struct journal_end *end);

#endif
