// One command, from its start line to its end frame. Each step is in a file of its own: command_start.c, command_output.c, command_end.c.
//
//   FREE → STARTING → RUNNING → (LEAVING) → DRAINING → ENDING → FREE
//
// STARTING  forked, not known yet whether it could exec
// RUNNING   the leader lives
// LEAVING   the leader is gone, its group was told to go and has the rest of its grace
// DRAINING  what was in the pipes at the end goes into the journal, and the tail that was held
// ENDING    the end frame is given, and perhaps waits for the disk
#ifndef WORKTRAIL_COMMAND_H
#define WORKTRAIL_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "control.h"
#include "journal.h"
#include "stdin_feed.h"
#include "supervisor.h"
#include "tail.h"

enum command_state { FREE, STARTING, RUNNING, LEAVING, DRAINING, ENDING };

struct output {
  struct source source;
  int fd;  // -1: at its end
  uint64_t bytes;
  size_t to_drain;
  bool watched;
};

struct command {
  enum command_state state;
  char id[ID_BYTES + 1];
  bool internal;
  pid_t pid;
  bool leader_gone;
  struct source exec_source;
  int exec_fd;  // the child's failure, or its exec, shows here; -1 once known
  struct output outputs[2];
  struct stdin_feed input;

  uint64_t position, acked, unacked_bytes_max, output_bytes_max;
  uint64_t frames, frames_acked;
  uint64_t marks[MARKS_MAX];  // a ring: positions at each FRAMES_PER_MARK-th frame's end
  uint64_t live_bytes_max;  // where the output's beginning stops: what is beyond is held in the tail, or over the limit
  bool keeps_tail, withholding;
  size_t tail_bytes_max;
  struct tail tail;
  bool truncated;
  int64_t timeout_at_ms, kill_at_ms, look_at_ms, give_up_at_ms;
  uint64_t timeout_ms, grace_ms;

  enum outcome cause;  // what is known to end it; NONE while it ends by itself
  char reason[REASON_BYTES_MAX + 1];
  bool kill_sent;
  uint64_t oom_before;
  bool oom_killed;
  int wait_status;
  struct rusage usage;
  struct journal journal;
};

// commands.c: the table
void commands_control(struct supervisor *supervisor, const struct control_line *line);
void commands_child_ended(struct supervisor *supervisor, pid_t pid, int status, const struct rusage *usage);
void commands_timers(struct supervisor *supervisor);
int64_t commands_next_deadline_ms(const struct supervisor *supervisor);
// One kill for want of memory is the end of a command: it is none of another's.
void commands_oom_explained(const struct command *by);
void commands_stop(struct supervisor *supervisor);
size_t commands_live(void);
size_t commands_live_of(bool internal);
struct command *commands_find(const char *id);
// True for the number of a live command's first process, which is its session's too.
bool commands_lead(pid_t pid);
struct command *commands_take_slot(const char *id);

// command_start.c
void command_start(struct supervisor *supervisor, const char *id);
void command_exec_ready(struct supervisor *supervisor, struct command *command);

// command_output.c
void command_output_ready(struct supervisor *supervisor, struct command *command, struct output *output);
// Reads what may be read now, stops reading what may not.
void command_update_reading(struct supervisor *supervisor, struct command *command);
// Everything below the position is stored.
void command_acknowledge(struct command *command, uint64_t position);
void command_drain(struct supervisor *supervisor, struct command *command);

// command_end.c
void command_signal(struct command *command, int number);
// TERM now, KILL after the grace; the first cause stays.
void command_terminate(struct command *command, enum outcome cause, const char *reason, uint64_t grace_ms);
void command_limit_reached(struct command *command);
void command_leader_ended(struct supervisor *supervisor, struct command *command);
void command_begin_draining(struct supervisor *supervisor, struct command *command);
void command_end(struct command *command);
// Goes on where the disk, an ack or a deadline had stopped it.
void command_advance(struct supervisor *supervisor, struct command *command);
void command_deadlines(struct supervisor *supervisor, struct command *command, int64_t now_ms);
int64_t command_next_deadline_ms(const struct command *command);

#endif
