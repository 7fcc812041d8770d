#define _GNU_SOURCE
#include "relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "relay_pair.h"

enum { BACKLOG = 256, EVENTS_PER_TURN = 64, RESTART_MS = 200, LOOK_MS = 50, FIRST_FD = 3, HIGH_FD = 64 };

static int listen_on(uint16_t port, int type) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && (type == SOCK_DGRAM || listen(fd, BACKLOG) == 0)) return fd;
  close(fd);
  return -1;
}

bool relay_open(struct relay *relay, int run_fd, uint16_t port, bool keep_user) {
  relay->keep_user = keep_user;
  relay->directory_fd = openat(run_fd, RELAY_DIRECTORY, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (relay->directory_fd < 0) return false;
  for (int i = 0; i < RELAY_PORTS; i++) {
    relay->listening[i] = listen_on((uint16_t)(port + i), i == RELAY_QUESTIONS ? SOCK_DGRAM : SOCK_STREAM);
    if (relay->listening[i] < 0) return false;
  }
  relay->start_at_ms = 0;
  return true;
}

// To numbers that are out of the way first: the ones they come from may be among those they go to.
static bool keep_only(struct relay *relay) {
  int high[RELAY_PORTS];
  for (int i = 0; i < RELAY_PORTS; i++)
    if ((high[i] = fcntl(relay->listening[i], F_DUPFD, HIGH_FD)) < 0) return false;
  for (int i = 0; i < RELAY_PORTS; i++)
    if ((relay->listening[i] = dup2(high[i], FIRST_FD + i)) < 0) return false;
  close_from(FIRST_FD + RELAY_PORTS);
  return true;
}

static void watch_port(int events_fd, int fd, struct relay_end *end, bool watched) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = end};
  epoll_ctl(events_fd, watched ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event);
}

static void take_in(int events_fd, struct relay_end *port) {
  enum relay_port kind = (enum relay_port)port->port;
  for (int i = 0; i < EVENTS_PER_TURN && relay_has_room(); i++)
    if (!(kind == RELAY_QUESTIONS ? relay_take_question(events_fd, port->fd) : relay_take_connection(events_fd, port->fd, kind == RELAY_TUNNELS)))
      return;
}

static noreturn void serve(const struct relay *relay) {
  static struct relay_end ports[RELAY_PORTS];
  struct epoll_event events[EVENTS_PER_TURN];
  int events_fd = epoll_create1(EPOLL_CLOEXEC);
  if (events_fd < 0) _exit(1);
  for (int i = 0; i < RELAY_PORTS; i++) ports[i] = (struct relay_end){.port = i, .fd = relay->listening[i]};
  for (bool open = false;;) {
    // One that is full lets the next ones wait where they are.
    if (open != relay_has_room()) {
      open = !open;
      for (int i = 0; i < RELAY_PORTS; i++) watch_port(events_fd, ports[i].fd, &ports[i], open);
    }
    int n = epoll_wait(events_fd, events, EVENTS_PER_TURN, relay_is_waiting() ? LOOK_MS : -1);
    if (n < 0 && errno != EINTR) _exit(1);
    for (int i = 0; i < n; i++) {
      struct relay_end *end = events[i].data.ptr;
      if (end->pair != NULL) relay_end_ready(events_fd, end, events[i].events);
      else take_in(events_fd, end);
    }
    relay_pairs_timers(events_fd);
  }
}

static noreturn void run(struct relay *relay) {
  const struct child_user user = {.keep_user = relay->keep_user, .uid = RELAY_UID, .gid = RELAY_UID};
  setsid();
  if (fchdir(relay->directory_fd) != 0 || !keep_only(relay) || !become_user(&user)) _exit(1);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  signal(SIGPIPE, SIG_IGN);
  serve(relay);
}

void relay_timers(struct relay *relay) {
  if (relay->pid != 0 || clock_monotonic_ms() < relay->start_at_ms) return;
  pid_t parent = getpid();
  relay->pid = fork();
  if (relay->pid == 0) {
    if (getppid() != parent) _exit(1);
    run(relay);
  }
  relay->start_at_ms = relay->pid > 0 ? NEVER : clock_monotonic_ms() + RESTART_MS;
  if (relay->pid < 0) relay->pid = 0;
}

bool relay_child_ended(struct relay *relay, pid_t pid) {
  if (relay->pid == 0 || relay->pid != pid) return false;
  relay->pid = 0;
  relay->start_at_ms = clock_monotonic_ms() + RESTART_MS;
  return true;
}
