// Who is left in a process group.
#ifndef WORKTRAIL_GROUP_H
#define WORKTRAIL_GROUP_H

#include <stdbool.h>
#include <sys/types.h>

// True when /proc shows a process of the group that is not a zombie. While one is there the kernel cannot give the number to another group.
bool group_alive(pid_t pgid);

#endif
