// The sandbox's only way out: three ports on its own loopback, and behind them the runner's socket in the run directory.
//
// A process of its own, with no capability and a user that commands cannot signal: what is in here comes from commands byte by byte. It decides
// nothing. Whatever it carries, the runner judges, as if a command had sent it.
#ifndef WORKTRAIL_RELAY_H
#define WORKTRAIL_RELAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// In the run directory, entered by others than root; the runner listens on `socket` in it.
#define RELAY_DIRECTORY "egress"
#define RELAY_SOCKET "socket"

// What a port is for: bytes as they are; a connection to where it was going, as a CONNECT; a question for an address.
enum relay_port { RELAY_STREAMS, RELAY_TUNNELS, RELAY_QUESTIONS, RELAY_PORTS };

struct relay {
  int directory_fd;
  int listening[RELAY_PORTS];
  bool keep_user;
  pid_t pid;            // 0: does not run
  int64_t start_at_ms;  // NEVER: runs, or there is none
};

// Listens on `port` and the two after it, on the loopback. The listening sockets stay with the supervisor: no connection is lost when the
// relay's process has to be started again. False where that cannot be; then errno tells why.
bool relay_open(struct relay *relay, int run_fd, uint16_t port, bool keep_user);
// Starts the process when it is due.
void relay_timers(struct relay *relay);
// True where it was the relay's; it is then due again.
bool relay_child_ended(struct relay *relay, pid_t pid);

#endif
