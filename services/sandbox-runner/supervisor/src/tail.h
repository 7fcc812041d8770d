// The last bytes of a command's output, both streams in the order they were read, while nobody knows yet how much follows.
//
// 1. Of what was added the last `size` bytes are held, exactly; which stream each belongs to is held with it.
// 2. Memory is `size` and an eighth of it, taken at once. Where that is not to be had nothing is held, and all is counted as dropped.
#ifndef WORKTRAIL_TAIL_H
#define WORKTRAIL_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tail {
  uint8_t *bytes;    // a ring: the byte at a position is at its remainder
  uint8_t *streams;  // one bit for each of them: the stream's index, 0 or 1
  size_t size;
  uint64_t first;       // position of the first byte that was added
  uint64_t begin, end;  // positions of what is held
  bool counted;
  uint64_t held[2];  // how much of each stream, once it was asked for
};

// `position`: of the first byte that will be added.
void tail_open(struct tail *tail, size_t size, uint64_t position);
void tail_close(struct tail *tail);

void tail_add(struct tail *tail, int stream, const uint8_t *bytes, size_t length);
bool tail_dropped(const struct tail *tail);
// How much is held of a stream.
uint64_t tail_held(struct tail *tail, int stream);
// Takes the first bytes, as far as they are of one stream, at most `length_max`. 0: nothing is held any more.
size_t tail_take(struct tail *tail, int *stream, uint8_t *bytes, size_t length_max);

#endif
