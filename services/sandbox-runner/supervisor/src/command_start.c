#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "command.h"
#include "spec.h"
#include "strays.h"

static struct spec spec;
static char request[REQUEST_BYTES_MAX + 1];

struct pipes {
  int input[2], output[2], error[2], exec[2];
};

// The request's length, or -1: a request that is not there, which starts nothing.
static ssize_t read_request(const struct supervisor *supervisor, const char *id) {
  int fd = openat(supervisor->requests_fd, id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return -1;
  size_t length = 0;
  ssize_t n = 1;
  while (n > 0 && length < sizeof request) {
    n = read(fd, request + length, sizeof request - length);
    if (n > 0) length += (size_t)n;
    if (n < 0 && errno == EINTR) n = 1;
  }
  close(fd);
  return n < 0 ? -1 : (ssize_t)length;
}

static void refuse(struct command *command, const char *reason) {
  command->cause = OUTCOME_FAILED_TO_START;
  snprintf(command->reason, sizeof command->reason, "%s", reason);
  command_end(command);
}

static bool too_many(bool internal) { return commands_live_of(internal) > (internal ? LIVE_INTERNAL_MAX : LIVE_USER_MAX); }

static bool make_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) == 0; }

static bool set_nonblocking(int fd) { return fcntl(fd, F_SETFL, O_NONBLOCK) == 0; }

static void close_both(int ends[2]) {
  for (int i = 0; i < 2; i++)
    if (ends[i] >= 0) close(ends[i]);
}

static void close_pipes(struct pipes *pipes) {
  close_both(pipes->input);
  close_both(pipes->output);
  close_both(pipes->error);
  close_both(pipes->exec);
}

// The pipes belong to the command's user: with root's it could not open /dev/stdout again.
static bool open_pipes(const struct supervisor *supervisor, struct pipes *pipes) {
  *pipes = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
  if (!supervisor->keep_user) setfsuid(supervisor->uid);
  bool made = make_pipe(pipes->output) && make_pipe(pipes->error) && (!spec.stdin_file || make_pipe(pipes->input));
  if (!supervisor->keep_user) setfsuid(0);
  return made && make_pipe(pipes->exec) && set_nonblocking(pipes->output[0]) && set_nonblocking(pipes->error[0]) &&
         set_nonblocking(pipes->exec[0]) && (!spec.stdin_file || set_nonblocking(pipes->input[1]));
}

static void prepare(struct supervisor *supervisor, struct command *command) {
  command->grace_ms = spec.grace_ms;
  command->timeout_ms = spec.timeout_ms;
  command->timeout_at_ms = spec.timeout_ms == 0 ? NEVER : clock_monotonic_ms() + (int64_t)spec.timeout_ms;
  command->output_bytes_max = spec.output_bytes_max;
  command->live_bytes_max = spec.output_bytes_max - spec.output_tail_bytes;
  command->keeps_tail = spec.keeps_tail;
  command->tail_bytes_max = (size_t)spec.output_tail_bytes;
  command->unacked_bytes_max = spec.unacked_bytes_max;
  if (commands_live() == 1) oom_forget(&supervisor->oom, clock_monotonic_ms());
  command->oom_before = oom_count(&supervisor->oom);
}

static pid_t fork_child(const struct supervisor *supervisor, const struct pipes *pipes) {
  const struct child_plan plan = {
      .spec = &spec,
      .root = spec.root != NULL ? spec.root : supervisor->root,
      .stdin_fd = spec.stdin_file ? pipes->input[0] : supervisor->null_fd,
      .stdout_fd = pipes->output[1],
      .stderr_fd = pipes->error[1],
      .error_fd = pipes->exec[1],
      .user = {.keep_user = supervisor->keep_user, .uid = supervisor->uid, .gid = supervisor->gid},
  };
  pid_t pid = fork();
  if (pid == 0) child_run(&plan);
  return pid;
}

static void keep_pipe(struct output *output, int ends[2], struct command *command) {
  *output = (struct output){.source = {SOURCE_OUTPUT, command}, .fd = ends[0]};
  ends[0] = -1;
}

// Takes the supervisor's ends; the child's stay in `pipes`.
static void keep_pipes(struct supervisor *supervisor, struct command *command, struct pipes *pipes) {
  keep_pipe(&command->outputs[0], pipes->output, command);
  keep_pipe(&command->outputs[1], pipes->error, command);
  stdin_feed_open(&command->input, pipes->input[1], command);
  pipes->input[1] = -1;
  command->exec_fd = pipes->exec[0];
  pipes->exec[0] = -1;
  command->exec_source = (struct source){SOURCE_EXEC, command};
  supervisor_watch(supervisor, command->exec_fd, EPOLLIN, &command->exec_source);
}

static void launch(struct supervisor *supervisor, struct command *command) {
  char reason[REASON_BYTES_MAX];
  struct pipes pipes;
  bool opened = open_pipes(supervisor, &pipes);
  if (opened) command->pid = fork_child(supervisor, &pipes);
  if (command->pid < 0 && errno == EAGAIN) {
    strays_end(supervisor->relay.pid);
    command->pid = fork_child(supervisor, &pipes);
  }
  if (!opened || command->pid < 0) {
    snprintf(reason, sizeof reason, "cannot start a process: %s", strerror(errno));
    close_pipes(&pipes);
    refuse(command, reason);
    return;
  }
  command->state = STARTING;
  keep_pipes(supervisor, command, &pipes);
  close_pipes(&pipes);
  supervisor->counters.started_commands++;
}

void command_start(struct supervisor *supervisor, const char *id) {
  if (commands_find(id) != NULL) {
    supervisor->counters.repeated_starts++;
    return;
  }
  ssize_t length = supervisor->stopping ? -1 : read_request(supervisor, id);
  struct command *command = length < 0 ? NULL : commands_take_slot(id);
  if (command == NULL) {
    *(length < 0 ? &supervisor->counters.unknown_commands : &supervisor->counters.postponed_starts) += 1;
    return;
  }
  const char *wrong = "request: larger than 1 MiB";
  bool valid = length <= REQUEST_BYTES_MAX && spec_parse(request, (size_t)length, &spec, &wrong);
  bool may_jump = valid && spec.keeps_tail;
  int error = journal_create(&command->journal, supervisor->journals_fd, id, supervisor->boot_id, may_jump);
  if (error != 0) {
    command->state = FREE;
    *(error == EEXIST ? &supervisor->counters.repeated_starts : &supervisor->counters.postponed_starts) += 1;
    return;
  }
  if (!valid) {
    refuse(command, wrong);
    return;
  }
  command->internal = spec.internal;
  if (too_many(spec.internal)) {
    refuse(command, spec.internal ? "too many live internal commands (8)" : "too many live commands (64)");
    return;
  }
  prepare(supervisor, command);
  launch(supervisor, command);
}

void command_exec_ready(struct supervisor *supervisor, struct command *command) {
  if (command->state != STARTING) return;
  struct child_failure failure;
  ssize_t n = read(command->exec_fd, &failure, sizeof failure);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  supervisor_unwatch(supervisor, command->exec_fd);
  close(command->exec_fd);
  command->exec_fd = -1;
  command->state = RUNNING;
  if (n == (ssize_t)sizeof failure) {
    command->cause = OUTCOME_FAILED_TO_START;
    snprintf(command->reason, sizeof command->reason, "%.*s", (int)sizeof failure.reason, failure.reason);
    return;
  }
  journal_started(&command->journal, command->pid);
  command_update_reading(supervisor, command);
}
