#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"

static struct command slots[SLOTS];

struct command *commands_find(const char *id) {
  for (int i = 0; i < SLOTS; i++)
    if (slots[i].state != FREE && strcmp(slots[i].id, id) == 0) return &slots[i];
  return NULL;
}

// Resets everything but the journal's frame, which may stay as it is.
static void reset(struct command *command, const char *id) {
  memset(command, 0, offsetof(struct command, journal));
  memcpy(command->id, id, ID_BYTES + 1);
  command->state = STARTING;
  command->exec_fd = command->outputs[0].fd = command->outputs[1].fd = -1;
  command->input.pipe_fd = command->input.file_fd = -1;
  command->timeout_at_ms = command->kill_at_ms = command->look_at_ms = command->give_up_at_ms = NEVER;
  command->journal.retry_at_ms = NEVER;
}

struct command *commands_take_slot(const char *id) {
  for (int i = 0; i < SLOTS; i++) {
    if (slots[i].state != FREE) continue;
    reset(&slots[i], id);
    return &slots[i];
  }
  return NULL;
}

size_t commands_live(void) {
  size_t live = 0;
  for (int i = 0; i < SLOTS; i++) live += slots[i].state != FREE;
  return live;
}

size_t commands_live_of(bool internal) {
  size_t live = 0;
  for (int i = 0; i < SLOTS; i++)
    live += slots[i].state != FREE && slots[i].state != ENDING && slots[i].internal == internal;
  return live;
}

static bool is_live(const struct command *command) {
  return command->state == STARTING || command->state == RUNNING || command->state == LEAVING;
}

bool commands_lead(pid_t pid) {
  for (int i = 0; i < SLOTS; i++)
    if (is_live(&slots[i]) && slots[i].pid == pid && pid > 0) return true;
  return false;
}

static void write_status(const struct supervisor *supervisor) {
  const struct counters *c = &supervisor->counters;
  int fd = openat(supervisor->run_fd, "status.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return;
  int written = dprintf(fd,
                        "boot_id %s\nlive_commands %zu\nstarted_commands %" PRIu64 "\nignored_lines %" PRIu64
                        "\nunknown_commands %" PRIu64 "\nrepeated_starts %" PRIu64 "\npostponed_starts %" PRIu64 "\n",
                        supervisor->boot_id, commands_live(), c->started_commands, c->ignored_lines, c->unknown_commands,
                        c->repeated_starts, c->postponed_starts);
  close(fd);
  if (written > 0) renameat(supervisor->run_fd, "status.tmp", supervisor->run_fd, "status");
}

static void ack(struct supervisor *supervisor, struct command *command, uint64_t position) {
  if (position <= command->acked || position > command->position) return;
  command_acknowledge(command, position);
  command_advance(supervisor, command);
}

static void control_live(struct supervisor *supervisor, struct command *command, const struct control_line *line) {
  switch (line->verb) {
    case CONTROL_SIGNAL:
      if (is_live(command)) command_signal(command, (int)line->number);
      return;
    case CONTROL_CANCEL:
      command_terminate(command, OUTCOME_CANCELED, line->reason, line->number);
      return;
    case CONTROL_ACK:
      ack(supervisor, command, line->number);
      return;
    case CONTROL_STDIN:
      stdin_feed_extend(supervisor, &command->input, command->id, line->number, line->close);
      return;
    case CONTROL_START:
    case CONTROL_STATUS:
      return;
  }
}

void commands_control(struct supervisor *supervisor, const struct control_line *line) {
  if (line == NULL) {
    supervisor->counters.ignored_lines++;
    return;
  }
  if (line->verb == CONTROL_STATUS) {
    write_status(supervisor);
    return;
  }
  if (line->verb == CONTROL_START) {
    command_start(supervisor, line->id);
    return;
  }
  struct command *command = commands_find(line->id);
  if (command == NULL)
    supervisor->counters.unknown_commands++;
  else
    control_live(supervisor, command, line);
}

void commands_child_ended(struct supervisor *supervisor, pid_t pid, int status, const struct rusage *usage) {
  for (int i = 0; i < SLOTS; i++) {
    struct command *command = &slots[i];
    if ((command->state != STARTING && command->state != RUNNING) || command->pid != pid) continue;
    command->wait_status = status;
    command->usage = *usage;
    command_leader_ended(supervisor, command);
    return;
  }
}

void commands_oom_explained(const struct command *by) {
  for (int i = 0; i < SLOTS; i++)
    if (&slots[i] != by && is_live(&slots[i])) slots[i].oom_before++;
}

void commands_timers(struct supervisor *supervisor) {
  int64_t now_ms = clock_monotonic_ms();
  if (now_ms >= supervisor->oom.look_at_ms) oom_look(&supervisor->oom, now_ms);
  for (int i = 0; i < SLOTS; i++)
    if (slots[i].state != FREE) command_deadlines(supervisor, &slots[i], now_ms);
}

int64_t commands_next_deadline_ms(const struct supervisor *supervisor) {
  int64_t next = commands_live() > 0 ? supervisor->oom.look_at_ms : NEVER;
  for (int i = 0; i < SLOTS; i++) {
    int64_t own = slots[i].state == FREE ? NEVER : command_next_deadline_ms(&slots[i]);
    if (own < next) next = own;
  }
  return next;
}

void commands_stop(struct supervisor *supervisor) {
  supervisor->stopping = true;
  for (int i = 0; i < SLOTS; i++)
    if (slots[i].state != FREE)
      command_terminate(&slots[i], OUTCOME_CANCELED, "supervisor_stopped", (uint64_t)supervisor->stop_grace_ms);
}
