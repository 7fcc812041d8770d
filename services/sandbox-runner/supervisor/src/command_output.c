#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "command.h"
#include "discard.h"

static bool may_read(const struct command *command) {
  if (command->state != RUNNING && command->state != LEAVING) return false;
  if (journal_waiting(&command->journal)) return false;
  if (command->truncated || command->withholding) return true;
  return command->position - command->acked <= command->unacked_bytes_max &&
         command->frames - command->frames_acked <= UNACKED_FRAMES_MAX;
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

static int index_of(const struct command *command, const struct output *output) { return (int)(output - command->outputs); }

// What is beyond the beginning is read without waiting for anybody: only its end is kept.
static void withhold(struct command *command, struct output *output, const uint8_t *bytes, size_t length) {
  if (!command->withholding) tail_open(&command->tail, command->tail_bytes_max, command->position);
  command->withholding = true;
  tail_add(&command->tail, index_of(command, output), bytes, length);
  command->truncated = tail_dropped(&command->tail);
  output->bytes += length;
  command->position += length;
}

static uint64_t *mark_of(struct command *command, uint64_t frames) { return &command->marks[frames / FRAMES_PER_MARK % MARKS_MAX]; }

// Which frame ends at the acknowledged position is known to a mark.
void command_acknowledge(struct command *command, uint64_t position) {
  command->acked = position;
  while (command->frames_acked + FRAMES_PER_MARK <= command->frames &&
         *mark_of(command, command->frames_acked + FRAMES_PER_MARK) <= position)
    command->frames_acked += FRAMES_PER_MARK;
}

// Of what was read into the journal's space, keeps what the limit leaves.
static void keep(struct command *command, struct output *output, size_t length) {
  size_t kept = length;
  if (command->output_bytes_max != 0) {
    uint64_t left = command->position < command->live_bytes_max ? command->live_bytes_max - command->position : 0;
    if (left < kept) kept = (size_t)left;
  }
  if (kept > 0) {
    journal_output(&command->journal, index_of(command, output) + 1, output->bytes, command->position, kept);
    output->bytes += kept;
    command->position += kept;
    if (++command->frames % FRAMES_PER_MARK == 0) *mark_of(command, command->frames) = command->position;
  }
  if (kept == length) return;
  if (command->keeps_tail) {
    withhold(command, output, journal_output_space(&command->journal) + kept, length - kept);
  } else if (!command->truncated) {
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

// Writes what was held, some frames a turn. True when nothing is left.
static bool write_tail(struct command *command) {
  struct tail *tail = &command->tail;
  uint64_t offsets[2];
  for (int i = 0; i < 2; i++) offsets[i] = command->outputs[i].bytes - tail_held(tail, i);
  for (int frames = 0; frames < TAIL_FRAMES_PER_TURN; frames++) {
    if (journal_waiting(&command->journal)) return false;
    int stream = 0;
    uint64_t position = tail->begin;
    size_t length = tail_take(tail, &stream, journal_output_space(&command->journal), OUTPUT_BYTES_PER_FRAME_MAX);
    if (length == 0) return true;
    journal_output(&command->journal, stream + 1, offsets[stream], position, length);
    offsets[stream] += length;
  }
  return false;
}

void command_drain(struct supervisor *supervisor, struct command *command) {
  for (int i = 0; i < 2; i++) drain(command, &command->outputs[i]);
  bool drained = command->outputs[0].to_drain == 0 && command->outputs[1].to_drain == 0;
  if (!drained || !write_tail(command) || journal_waiting(&command->journal)) return;
  for (int i = 0; i < 2; i++) {
    if (command->outputs[i].fd >= 0) discard_take(supervisor, command->outputs[i].fd);
    command->outputs[i].fd = -1;
  }
  command_end(command);
}
