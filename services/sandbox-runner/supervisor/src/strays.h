// Processes that belong to no live command any more: below the supervisor, but neither in a live command's session nor below a process of it.
#ifndef WORKTRAIL_STRAYS_H
#define WORKTRAIL_STRAYS_H

// Kills them all and reaps them, within a bounded time.
void strays_end(void);

#endif
