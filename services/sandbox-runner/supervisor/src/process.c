#define _GNU_SOURCE
#include "process.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool process_read(int proc_fd, const char *name, struct process *process) {
  char path[32], stat[512];
  if (name[0] < '1' || name[0] > '9' || snprintf(path, sizeof path, "%.15s/stat", name) >= (int)sizeof path) return false;
  int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t n = read(fd, stat, sizeof stat - 1);
  close(fd);
  if (n <= 0) return false;
  stat[n] = '\0';
  // The name in parentheses may contain anything, parentheses too.
  const char *after_name = strrchr(stat, ')');
  return after_name != NULL && sscanf(stat, "%d", &process->pid) == 1 &&
         sscanf(after_name + 1, " %c %d %d %d", &process->state, &process->parent, &process->group, &process->session) == 4;
}

bool process_alive(const struct process *process) { return process->state != 'Z' && process->state != 'X'; }
