// How many processes of this memory cgroup the kernel's out-of-memory killer has ended so far.
#ifndef WORKTRAIL_OOM_H
#define WORKTRAIL_OOM_H

#include <stdint.h>

// Opens the counter's file: `path`, or where NULL the container's own cgroup (version 2, then 1). -1 when there is none.
int oom_open(const char *path);
// 0 when it cannot be read.
uint64_t oom_count(int fd);

#endif
