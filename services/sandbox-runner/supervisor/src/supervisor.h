// What the parts of the supervisor share: its configuration, its event queue, its counters.
#ifndef WORKTRAIL_SUPERVISOR_H
#define WORKTRAIL_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "limits.h"
#include "oom.h"
#include "relay.h"

// What a descriptor in the event queue is, first member of what belongs to it.
enum source_kind { SOURCE_CONTROL, SOURCE_SIGNALS, SOURCE_OUTPUT, SOURCE_STDIN, SOURCE_EXEC, SOURCE_DISCARD };

struct source {
  enum source_kind kind;
  void *owner;
};

struct counters {
  uint64_t ignored_lines;      // malformed control lines
  uint64_t unknown_commands;   // lines for a command that is not live, starts without a request
  uint64_t repeated_starts;    // starts of what was started before
  uint64_t postponed_starts;   // starts that left no trace (disk full): the host repeats them
  uint64_t started_commands;
};

struct supervisor {
  const char *root;
  uid_t uid;
  gid_t gid;
  bool keep_user;
  int64_t stop_grace_ms;

  int events_fd;
  int run_fd, requests_fd, stdin_fd, journals_fd;
  int null_fd;
  struct oom oom;
  struct relay relay;
  char boot_id[BOOT_ID_BYTES + 1];
  struct counters counters;
  bool stopping;
};

// Adds the descriptor, or takes it out of the queue. False only where the kernel refuses to add.
bool supervisor_watch(const struct supervisor *supervisor, int fd, uint32_t events, struct source *source);
void supervisor_unwatch(const struct supervisor *supervisor, int fd);
// Takes in every child that has ended, orphans too.
void supervisor_reap(void);

#endif
