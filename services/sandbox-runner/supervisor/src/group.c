#define _GNU_SOURCE
#include "group.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool belongs(int proc_fd, const char *pid, pid_t pgid) {
  char path[32], stat[512];
  if (snprintf(path, sizeof path, "%.15s/stat", pid) >= (int)sizeof path) return false;
  int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t n = read(fd, stat, sizeof stat - 1);
  close(fd);
  if (n <= 0) return false;
  stat[n] = '\0';
  // The name in parentheses may contain anything, parentheses too.
  const char *after_name = strrchr(stat, ')');
  char state;
  int parent, group;
  if (after_name == NULL || sscanf(after_name + 1, " %c %d %d", &state, &parent, &group) != 3) return false;
  return group == pgid && state != 'Z' && state != 'X';
}

bool group_alive(pid_t pgid) {
  DIR *proc = opendir("/proc");
  if (proc == NULL) return false;
  bool found = false;
  for (struct dirent *entry; !found && (entry = readdir(proc)) != NULL;)
    found = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && belongs(dirfd(proc), entry->d_name, pgid);
  closedir(proc);
  return found;
}
