// One connection of a command, and the one to the runner that goes with it.
//
// 1. Bytes go on in order, in both directions on their own; what one side does not take, the other is not read for.
// 2. While the runner's socket is away (its process is being started again) a connection waits for it, up to RELAY_PATIENCE_MS.
// 3. A connection that the runner refuses is reset: to who made it, nothing answered there.
#ifndef WORKTRAIL_RELAY_PAIR_H
#define WORKTRAIL_RELAY_PAIR_H

#include <stdbool.h>
#include <stdint.h>

struct relay_pair;

// What epoll hands back. Without a pair it is a listening port.
struct relay_end {
  struct relay_pair *pair;
  int port;
  int fd;
  bool is_watched;
  uint32_t watched;
};

bool relay_has_room(void);
// Some pair waits for time to pass.
bool relay_is_waiting(void);
// False when there is nothing more to take at the moment.
bool relay_take_connection(int events_fd, int listening_fd, bool is_tunnel);
bool relay_take_question(int events_fd, int socket_fd);
void relay_end_ready(int events_fd, struct relay_end *end, uint32_t events);
// Tries again what waits, gives up what waited too long, and lets go of what has ended.
void relay_pairs_timers(int events_fd);

#endif
