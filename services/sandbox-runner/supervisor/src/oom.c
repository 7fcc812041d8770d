#define _GNU_SOURCE
#include "oom.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "limits.h"

static int open_counter(const char *path) {
  static const char *const candidates[] = {"/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"};
  if (path != NULL) return open(path, O_RDONLY | O_CLOEXEC);
  for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
    int fd = open(candidates[i], O_RDONLY | O_CLOEXEC);
    if (fd >= 0) return fd;
  }
  return -1;
}

void oom_open(struct oom *oom, const char *path) {
  oom->fd = open_counter(path);
  oom->look_at_ms = 0;
}

uint64_t oom_count(const struct oom *oom) {
  char text[1024];
  ssize_t n = oom->fd < 0 ? -1 : pread(oom->fd, text, sizeof text - 1, 0);
  if (n <= 0) return 0;
  text[n] = '\0';
  for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (strncmp(line, "oom_kill ", 9) == 0) return strtoull(line + 9, NULL, 10);
  }
  return 0;
}

void oom_look(struct oom *oom, int64_t now_ms) {
  oom->before = oom->seen;
  oom->seen = oom_count(oom);
  oom->look_at_ms = now_ms + OOM_LOOK_MS;
}

void oom_forget(struct oom *oom, int64_t now_ms) {
  oom->before = oom->seen = oom_count(oom);
  oom->look_at_ms = now_ms + OOM_LOOK_MS;
}

bool oom_grew_lately(const struct oom *oom) { return oom_count(oom) > oom->before; }
