#define _GNU_SOURCE
#include "group.h"

#include <dirent.h>
#include <stddef.h>

#include "process.h"

bool group_alive(pid_t pgid) {
  DIR *proc = opendir("/proc");
  if (proc == NULL) return false;
  bool found = false;
  struct process process;
  for (struct dirent *entry; !found && (entry = readdir(proc)) != NULL;)
    found = process_read(dirfd(proc), entry->d_name, &process) && process.group == pgid && process_alive(&process);
  closedir(proc);
  return found;
}
