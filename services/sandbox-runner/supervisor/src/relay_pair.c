#define _GNU_SOURCE
#include "relay_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "limits.h"
#include "relay.h"

// Of <linux/netfilter_ipv4.h>, which not every C library has.
enum { ORIGINAL_DESTINATION = 80, MOVES_PER_TURN = 8 };

struct flow {
  uint8_t bytes[RELAY_BUFFER_BYTES];
  size_t from, to;
  bool ended;   // nothing more comes
  bool passed;  // and the other side knows
};

struct relay_pair {
  enum { STREAM, TUNNEL, QUESTION } kind;
  enum { WAITING, GREETING, OPEN, DEAD } state;
  struct relay_end command, host;
  struct flow out, in;  // to the runner, and from it
  bool host_gone;       // in both directions
  int64_t give_up_at_ms;
  struct sockaddr_in asked_by;
  struct relay_pair *next;
};

static struct relay_pair *pairs;
static int pairs_count, pairs_waiting, pairs_dead;

bool relay_has_room(void) { return pairs_count < RELAY_PAIRS_MAX; }
bool relay_is_waiting(void) { return pairs_waiting > 0; }

static bool is_empty(const struct flow *flow) { return flow->from == flow->to; }

static void unwatch(int events_fd, struct relay_end *end) {
  if (end->is_watched) epoll_ctl(events_fd, EPOLL_CTL_DEL, end->fd, NULL);
  end->is_watched = false;
}

static void watch(int events_fd, struct relay_end *end, uint32_t wanted) {
  if (end->is_watched && end->watched == wanted) return;
  struct epoll_event event = {.events = wanted, .data.ptr = end};
  if (epoll_ctl(events_fd, end->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, end->fd, &event) != 0) return;
  end->is_watched = true;
  end->watched = wanted;
}

static void set_state(struct relay_pair *pair, int state) {
  pairs_waiting += (state == WAITING) - (pair->state == WAITING);
  pairs_dead += (state == DEAD) - (pair->state == DEAD);
  pair->state = state;
}

static void end_pair(int events_fd, struct relay_pair *pair, bool refused) {
  if (pair->state == DEAD) return;
  const struct linger reset = {.l_onoff = 1, .l_linger = 0};
  if (refused && pair->kind != QUESTION) setsockopt(pair->command.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  unwatch(events_fd, &pair->host);
  if (pair->host.fd >= 0) close(pair->host.fd);
  // The socket of questions is everybody's.
  if (pair->kind != QUESTION) {
    unwatch(events_fd, &pair->command);
    close(pair->command.fd);
  }
  set_state(pair, DEAD);
}

static bool is_later(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

static ssize_t fill(struct flow *flow, int fd) {
  ssize_t n = read(fd, flow->bytes + flow->to, sizeof flow->bytes - flow->to);
  if (n > 0) flow->to += (size_t)n;
  if (n == 0) flow->ended = true;
  return n;
}

static ssize_t drain(struct flow *flow, int fd) {
  ssize_t n = send(fd, flow->bytes + flow->from, flow->to - flow->from, MSG_NOSIGNAL);
  if (n > 0) flow->from += (size_t)n;
  if (is_empty(flow)) flow->from = flow->to = 0;
  return n;
}

// False where the connection is broken.
static bool carry(struct flow *flow, int from_fd, int to_fd) {
  for (int i = 0; i < MOVES_PER_TURN; i++) {
    if (is_empty(flow) && !flow->ended && fill(flow, from_fd) < 0) return is_later(errno);
    if (is_empty(flow)) break;
    if (drain(flow, to_fd) < 0) return is_later(errno);
  }
  if (flow->ended && is_empty(flow) && !flow->passed) {
    shutdown(to_fd, SHUT_WR);
    flow->passed = true;
  }
  return true;
}

// An end that has hung up is reported for ever: it is not watched while nothing is to be done about it.
static void watch_both(int events_fd, struct relay_pair *pair) {
  const struct flow *out = &pair->out, *in = &pair->in;
  bool open = pair->state == OPEN;
  bool takes_all = pair->kind == QUESTION || !open;
  uint32_t host = (is_empty(out) ? 0u : EPOLLOUT) | ((is_empty(in) || takes_all) && !in->ended ? EPOLLIN : 0u);
  if (host == 0 && pair->host_gone) unwatch(events_fd, &pair->host);
  else watch(events_fd, &pair->host, host);
  if (pair->kind == QUESTION) return;
  uint32_t command = (open && is_empty(out) && !out->ended ? EPOLLIN : 0u) | (open && !is_empty(in) ? EPOLLOUT : 0u);
  if (command == 0) unwatch(events_fd, &pair->command);
  else watch(events_fd, &pair->command, command);
}

// The end of the answer's head, or NULL while it is not all there.
static const uint8_t *head_end(const struct flow *in) {
  const uint8_t *found = memmem(in->bytes, in->to, "\r\n\r\n", 4);
  return found == NULL ? NULL : found + 4;
}

static bool says_yes(const struct flow *in) {
  static const char yes[] = "HTTP/1.1 200";
  return in->to >= sizeof yes - 1 && memcmp(in->bytes, yes, sizeof yes - 1) == 0;
}

// 1 once the runner has taken the connection, 0 before, -1 where it does not.
static int greet(struct relay_pair *pair) {
  if (!is_empty(&pair->out) && drain(&pair->out, pair->host.fd) < 0) return is_later(errno) ? 0 : -1;
  if (pair->in.to == sizeof pair->in.bytes) return -1;
  ssize_t n = fill(&pair->in, pair->host.fd);
  if (n < 0) return is_later(errno) ? 0 : -1;
  const uint8_t *body = head_end(&pair->in);
  if (body == NULL) return n == 0 ? -1 : 0;
  if (!says_yes(&pair->in)) return -1;
  pair->in.from = (size_t)(body - pair->in.bytes);
  if (is_empty(&pair->in)) pair->in.from = pair->in.to = 0;
  return 1;
}

// The whole answer, then the datagram it holds. True when it is over, one way or the other.
static bool ask(struct relay_pair *pair) {
  if (!is_empty(&pair->out) && drain(&pair->out, pair->host.fd) < 0) return !is_later(errno);
  while (!pair->in.ended && pair->in.to < sizeof pair->in.bytes)
    if (fill(&pair->in, pair->host.fd) < 0) return !is_later(errno);
  const uint8_t *body = head_end(&pair->in);
  if (!pair->in.ended || body == NULL || !says_yes(&pair->in)) return true;
  size_t length = (size_t)(pair->in.bytes + pair->in.to - body);
  sendto(pair->command.fd, body, length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&pair->asked_by, sizeof pair->asked_by);
  return true;
}

enum progress { GOES_ON, IS_OVER, IS_BROKEN };

static enum progress advance(struct relay_pair *pair) {
  if (pair->kind == QUESTION) return ask(pair) ? IS_OVER : GOES_ON;
  if (pair->state == GREETING) {
    int answer = greet(pair);
    if (answer <= 0) return answer < 0 ? IS_BROKEN : GOES_ON;
    set_state(pair, OPEN);
  }
  if (!carry(&pair->out, pair->command.fd, pair->host.fd) || !carry(&pair->in, pair->host.fd, pair->command.fd)) return IS_BROKEN;
  return (pair->out.passed || pair->host_gone) && pair->in.passed ? IS_OVER : GOES_ON;
}

static void go_on(int events_fd, struct relay_pair *pair) {
  enum progress progress = advance(pair);
  if (progress == GOES_ON) watch_both(events_fd, pair);
  else end_pair(events_fd, pair, progress == IS_BROKEN);
}

static void reach_host(int events_fd, struct relay_pair *pair) {
  static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = RELAY_SOCKET};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
    close(fd);
    return;
  }
  pair->host.fd = fd;
  set_state(pair, pair->kind == TUNNEL ? GREETING : OPEN);
  go_on(events_fd, pair);
}

static struct relay_pair *add_pair(int kind, int command_fd) {
  struct relay_pair *pair = calloc(1, sizeof *pair);
  if (pair == NULL) return NULL;
  pair->kind = kind;
  pair->command = (struct relay_end){.pair = pair, .fd = command_fd};
  pair->host = (struct relay_end){.pair = pair, .fd = -1};
  pair->give_up_at_ms = clock_monotonic_ms() + RELAY_PATIENCE_MS;
  pair->state = WAITING;
  pair->next = pairs;
  pairs = pair;
  pairs_count++;
  pairs_waiting++;
  return pair;
}

// Where the command meant to go, before the sandbox's own rules turned it here.
static bool write_connect(struct flow *out, int fd) {
  struct sockaddr_in to;
  socklen_t length = sizeof to;
  char address[INET_ADDRSTRLEN];
  if (getsockopt(fd, IPPROTO_IP, ORIGINAL_DESTINATION, &to, &length) != 0) return false;
  if (inet_ntop(AF_INET, &to.sin_addr, address, sizeof address) == NULL) return false;
  unsigned port = ntohs(to.sin_port);
  int n = snprintf((char *)out->bytes, sizeof out->bytes, "CONNECT %s:%u HTTP/1.1\r\nHost: %s:%u\r\n\r\n", address, port, address, port);
  out->to = (size_t)n;
  return true;
}

bool relay_take_connection(int events_fd, int listening_fd, bool is_tunnel) {
  int fd = accept4(listening_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return errno == EINTR || errno == ECONNABORTED;
  struct relay_pair *pair = add_pair(is_tunnel ? TUNNEL : STREAM, fd);
  if (pair == NULL) {
    close(fd);
    return false;
  }
  if (is_tunnel && !write_connect(&pair->out, fd)) end_pair(events_fd, pair, true);
  else reach_host(events_fd, pair);
  return true;
}

bool relay_take_question(int events_fd, int socket_fd) {
  uint8_t question[RELAY_QUESTION_BYTES_MAX + 1];
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  ssize_t n = recvfrom(socket_fd, question, sizeof question, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
  if (n < 0) return errno == EINTR;
  if (n == 0 || n > RELAY_QUESTION_BYTES_MAX) return true;
  struct relay_pair *pair = add_pair(QUESTION, socket_fd);
  if (pair == NULL) return false;
  struct flow *out = &pair->out;
  int head = snprintf((char *)out->bytes, sizeof out->bytes,
                      "POST /dns-query HTTP/1.1\r\nHost: worktrail\r\nContent-Type: application/dns-message\r\n"
                      "Content-Length: %d\r\nConnection: close\r\n\r\n", (int)n);
  memcpy(out->bytes + head, question, (size_t)n);
  out->to = (size_t)head + (size_t)n;
  pair->asked_by = from;
  reach_host(events_fd, pair);
  return true;
}

void relay_end_ready(int events_fd, struct relay_end *end, uint32_t events) {
  struct relay_pair *pair = end->pair;
  if (pair->state == DEAD || pair->state == WAITING) return;
  bool failed = (events & EPOLLERR) != 0;
  // What the runner said before it hung up is still to be read.
  if (end == &pair->host && (failed || (events & EPOLLHUP) != 0)) pair->host_gone = true;
  if (end == &pair->command && failed) end_pair(events_fd, pair, true);
  else go_on(events_fd, pair);
}

void relay_pairs_timers(int events_fd) {
  if (pairs_waiting == 0 && pairs_dead == 0) return;
  int64_t now_ms = clock_monotonic_ms();
  for (struct relay_pair **at = &pairs; *at != NULL;) {
    struct relay_pair *pair = *at;
    if (pair->state == WAITING) reach_host(events_fd, pair);
    if (pair->state == WAITING && now_ms >= pair->give_up_at_ms) end_pair(events_fd, pair, true);
    if (pair->state != DEAD) {
      at = &pair->next;
      continue;
    }
    pairs_dead--;
    pairs_count--;
    *at = pair->next;
    free(pair);
  }
}
