// From fork to exec: the process that becomes the command.
//
// What runs here is root until it gives that up; it opens nothing that the command names before it has.
#ifndef WORKTRAIL_CHILD_H
#define WORKTRAIL_CHILD_H

#include <stdbool.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include "spec.h"

// What the child writes into `error_fd` when it could not become the command, as one write; nothing when it did (the descriptor closes on exec).
struct child_failure {
  char reason[REASON_BYTES_MAX];
};

// Who a process becomes: with no supplementary group, no capability, and no way to get any.
struct child_user {
  bool keep_user;
  uid_t uid;
  gid_t gid;
};

struct child_plan {
  const struct spec *spec;
  const char *root;
  int stdin_fd, stdout_fd, stderr_fd, error_fd;  // each above 2
  struct child_user user;
};

bool become_user(const struct child_user *user);
// Closes every descriptor from this number on.
void close_from(unsigned first);
noreturn void child_run(const struct child_plan *plan);

#endif
