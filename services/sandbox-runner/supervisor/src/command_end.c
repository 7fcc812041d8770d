#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "command.h"
#include "group.h"

// After TERM or KILL: how often to look whether the group is gone, and how long a killed one is waited for (a process in the kernel).
enum { LOOK_MS = 10, KILLED_WAIT_MS = 1000 };
// How a shell reports that its child got SIGKILL.
enum { EXIT_CODE_KILLED = 128 + SIGKILL };

static bool has_process(const struct command *command) {
  return command->state == STARTING || command->state == RUNNING || command->state == LEAVING;
}

void command_signal(struct command *command, int number) {
  // Once the leader is reaped its number is the group's only while the group has members.
  if (command->leader_gone && !group_alive(command->pid)) return;
  if (number == SIGKILL) command->kill_sent = true;
  // Before setsid there is no group yet.
  if (kill(-command->pid, number) != 0 && errno == ESRCH && !command->leader_gone) kill(command->pid, number);
}

void command_terminate(struct command *command, enum outcome cause, const char *reason, uint64_t grace_ms) {
  if (!has_process(command)) return;
  int64_t kill_at_ms = clock_monotonic_ms() + (int64_t)grace_ms;
  if (command->cause == OUTCOME_NONE) {
    command->cause = cause;
    snprintf(command->reason, sizeof command->reason, "%s", reason);
    command_signal(command, SIGTERM);
    command_signal(command, SIGCONT);
  } else if (command->kill_at_ms == NEVER) {
    return;  // killed already
  }
  if (kill_at_ms < command->kill_at_ms) command->kill_at_ms = kill_at_ms;
  command->timeout_at_ms = NEVER;
}

void command_limit_reached(struct command *command) {
  if (command->cause == OUTCOME_NONE) {
    command->cause = OUTCOME_OUTPUT_LIMIT;
    snprintf(command->reason, sizeof command->reason, "more than %" PRIu64 " bytes of output", command->output_bytes_max);
  }
  command->kill_at_ms = command->timeout_at_ms = NEVER;
  command_signal(command, SIGKILL);
}

static bool was_oom_killed(const struct supervisor *supervisor, const struct command *command) {
  int status = command->wait_status;
  bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !command->kill_sent;
  bool shell_says_so = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CODE_KILLED;
  if (!shell_says_so && !(killed && oom_grew_lately(&supervisor->oom))) return false;
  return oom_count(&supervisor->oom) > command->oom_before;
}

void command_leader_ended(struct supervisor *supervisor, struct command *command) {
  if (command->state == STARTING) command_exec_ready(supervisor, command);
  command->leader_gone = true;
  command->oom_killed = command->cause == OUTCOME_NONE && was_oom_killed(supervisor, command);
  if (command->oom_killed) commands_oom_explained(command);
  command->timeout_at_ms = NEVER;
  bool told_to_go = command->cause != OUTCOME_NONE && command->cause != OUTCOME_FAILED_TO_START;
  if (!told_to_go || !group_alive(command->pid)) {
    command_begin_draining(supervisor, command);
    return;
  }
  int64_t now_ms = clock_monotonic_ms();
  command->state = LEAVING;
  command->look_at_ms = now_ms + LOOK_MS;
  if (command->kill_at_ms == NEVER) command->give_up_at_ms = now_ms + KILLED_WAIT_MS;
  command_update_reading(supervisor, command);
}

static enum outcome decide_outcome(struct command *command) {
  if (command->cause != OUTCOME_NONE) return command->cause;
  if (command->oom_killed) {
    snprintf(command->reason, sizeof command->reason, "the sandbox's memory limit was reached");
    return OUTCOME_OOM_KILLED;
  }
  return WIFSIGNALED(command->wait_status) ? OUTCOME_SIGNALED : OUTCOME_EXITED;
}

static void finish(struct command *command) {
  journal_close(&command->journal);
  tail_close(&command->tail);
  command->state = FREE;
}

void command_end(struct command *command) {
  enum outcome outcome = decide_outcome(command);
  bool ran = outcome != OUTCOME_FAILED_TO_START;
  int status = command->wait_status;
  const struct journal_end end = {
      .outcome = outcome,
      .has_exit_code = ran && WIFEXITED(status),
      .has_signal = ran && WIFSIGNALED(status),
      .output_truncated = command->truncated,
      .exit_code = ran && WIFEXITED(status) ? WEXITSTATUS(status) : 0,
      .signal = ran && WIFSIGNALED(status) ? WTERMSIG(status) : 0,
      .stdout_bytes = command->outputs[0].bytes,
      .stderr_bytes = command->outputs[1].bytes,
      .usage = command->usage,
      .reason = command->reason,
  };
  command->state = ENDING;
  command->timeout_at_ms = command->kill_at_ms = command->look_at_ms = NEVER;
  journal_end(&command->journal, &end);
  if (!journal_waiting(&command->journal)) finish(command);
}

void command_advance(struct supervisor *supervisor, struct command *command) {
  if (journal_waiting(&command->journal)) return;
  if (command->state == RUNNING || command->state == LEAVING)
    command_update_reading(supervisor, command);
  else if (command->state == DRAINING)
    command_drain(supervisor, command);
  else if (command->state == ENDING)
    finish(command);
}

static void look_whether_gone(struct supervisor *supervisor, struct command *command, int64_t now_ms) {
  if (now_ms >= command->give_up_at_ms || !group_alive(command->pid))
    command_begin_draining(supervisor, command);
  else
    command->look_at_ms = now_ms + LOOK_MS;
}

void command_deadlines(struct supervisor *supervisor, struct command *command, int64_t now_ms) {
  if (now_ms >= command->journal.retry_at_ms) {
    journal_flush(&command->journal);
    command_advance(supervisor, command);
  }
  if (now_ms >= command->timeout_at_ms) {
    char reason[64];
    snprintf(reason, sizeof reason, "ran longer than %" PRIu64 " ms", command->timeout_ms);
    command_terminate(command, OUTCOME_TIMED_OUT, reason, command->grace_ms);
  }
  if (now_ms >= command->kill_at_ms) {
    command->kill_at_ms = NEVER;
    command->give_up_at_ms = now_ms + KILLED_WAIT_MS;
    command_signal(command, SIGKILL);
  }
  if (command->state == DRAINING) command_advance(supervisor, command);
  if (command->state == LEAVING && now_ms >= command->look_at_ms) look_whether_gone(supervisor, command, now_ms);
}

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t command_next_deadline_ms(const struct command *command) {
  // A tail is written some frames a turn.
  if (command->state == DRAINING && !journal_waiting(&command->journal)) return 0;
  int64_t next = earlier(command->journal.retry_at_ms, earlier(command->timeout_at_ms, command->kill_at_ms));
  return command->state == LEAVING ? earlier(next, earlier(command->look_at_ms, command->give_up_at_ms)) : next;
}
