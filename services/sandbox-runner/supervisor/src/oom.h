// How many processes of this memory cgroup the kernel's out-of-memory killer has ended so far: a number, and not which. So:
//
// 1. A command whose own process was killed was so by it only if the number has grown a moment ago (`OOM_LOOK_MS` to twice that).
// 2. One that merely says that a process of its was killed may have waited before it said so.
// 3. Each kill explains the end of one command.
#ifndef WORKTRAIL_OOM_H
#define WORKTRAIL_OOM_H

#include <stdbool.h>
#include <stdint.h>

struct oom {
  int fd;  // -1: there is no counter
  uint64_t before, seen;
  int64_t look_at_ms;
};

// `path`: the counter's file; where NULL the container's own cgroup (version 2, then 1).
void oom_open(struct oom *oom, const char *path);
// 0 when it cannot be read.
uint64_t oom_count(const struct oom *oom);
// To be called at `look_at_ms` while commands are live.
void oom_look(struct oom *oom, int64_t now_ms);
// Nobody has looked for a while: what happened meanwhile is no moment ago.
void oom_forget(struct oom *oom, int64_t now_ms);
bool oom_grew_lately(const struct oom *oom);

#endif
