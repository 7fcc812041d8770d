// What /proc says of one process.
#ifndef WORKTRAIL_PROCESS_H
#define WORKTRAIL_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct process {
  pid_t pid, parent, group, session;
  char state;
};

// `proc_fd` is /proc, `name` an entry of it. False where that is no process, or one that is gone.
bool process_read(int proc_fd, const char *name, struct process *process);
// Neither a zombie nor gone.
bool process_alive(const struct process *process);

#endif
