// Processes that belong to no live command any more: below the supervisor, but neither in a live command's session nor below a process of it.
#ifndef WORKTRAIL_STRAYS_H
#define WORKTRAIL_STRAYS_H

#include <sys/types.h>

// Kills them all but one and reaps them, within a bounded time.
void strays_end(pid_t spared);

#endif
