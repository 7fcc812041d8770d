#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "command.h"
#include "discard.h"

static bool may_read(const struct command *command) {
  if (command->state != RUNNING && command->state != LEAVING) return false;
  if (journal_waiting(&command->journal)) return false;
  return command->truncated || command->position - command->acked <= command->unacked_bytes_max;
}

static void set_watched(struct supervisor *supervisor, struct output *output, bool watched) {
  if (watched == output->watched || output->fd < 0) return;
  if (watched)
    output->watched = supervisor_watch(supervisor, output->fd, EPOLLIN, &output->source);
  else {
    supervisor_unwatch(supervisor, output->fd);
    output->watched = false;
  }
}

void command_update_reading(struct supervisor *supervisor, struct command *command) {
  for (int i = 0; i < 2; i++) set_watched(supervisor, &command->outputs[i], may_read(command));
}

// Of what was read into the journal's space, keeps what the limit leaves.
static void keep(struct command *command, struct output *output, size_t length) {
  size_t kept = length;
  if (command->output_bytes_max != 0) {
    uint64_t left = command->output_bytes_max - command->position;
    if (left < kept) kept = (size_t)left;
  }
  if (kept > 0) {
    int stream = output == &command->outputs[0] ? 1 : 2;
    journal_output(&command->journal, stream, output->bytes, command->position, kept);
    output->bytes += kept;
    command->position += kept;
  }
  if (kept < length && !command->truncated) {
    command->truncated = true;
    command_limit_reached(command);
  }
}

static ssize_t read_some(struct command *command, struct output *output, size_t length_max) {
  return read(output->fd, journal_output_space(&command->journal), length_max);
}

void command_output_ready(struct supervisor *supervisor, struct command *command, struct output *output) {
  if (output->fd < 0 || !may_read(command)) return;
  ssize_t n = read_some(command, output, OUTPUT_BYTES_PER_FRAME_MAX);
  if (n == 0) {
    set_watched(supervisor, output, false);
    close(output->fd);
    output->fd = -1;
  }
  if (n > 0) keep(command, output, (size_t)n);
  command_update_reading(supervisor, command);
}

// What is in the pipes now belongs to the command; what comes later does not, so a process left behind cannot hold the end open.
void command_begin_draining(struct supervisor *supervisor, struct command *command) {
  command->state = DRAINING;
  stdin_feed_close(supervisor, &command->input);
  for (int i = 0; i < 2; i++) {
    struct output *output = &command->outputs[i];
    int waiting = 0;
    set_watched(supervisor, output, false);
    if (output->fd >= 0 && ioctl(output->fd, FIONREAD, &waiting) == 0 && waiting > 0) output->to_drain = (size_t)waiting;
  }
  command_drain(supervisor, command);
}

static void drain(struct command *command, struct output *output) {
  while (output->to_drain > 0 && !journal_waiting(&command->journal)) {
    size_t length_max = output->to_drain < OUTPUT_BYTES_PER_FRAME_MAX ? output->to_drain : OUTPUT_BYTES_PER_FRAME_MAX;
    ssize_t n = read_some(command, output, length_max);
    if (n <= 0) {
      output->to_drain = 0;
      return;
    }
    output->to_drain -= (size_t)n;
    keep(command, output, (size_t)n);
  }
}

void command_drain(struct supervisor *supervisor, struct command *command) {
  for (int i = 0; i < 2; i++) drain(command, &command->outputs[i]);
  bool drained = command->outputs[0].to_drain == 0 && command->outputs[1].to_drain == 0;
  if (!drained || journal_waiting(&command->journal)) return;
  for (int i = 0; i < 2; i++) {
    if (command->outputs[i].fd >= 0) discard_take(supervisor, command->outputs[i].fd);
    command->outputs[i].fd = -1;
  }
  command_end(supervisor, command);
}
