#include "tail.h"

#include <stdlib.h>
#include <string.h>

void tail_open(struct tail *tail, size_t size, uint64_t position) {
  *tail = (struct tail){.size = size, .first = position, .begin = position, .end = position};
  if (size > 0) {
    tail->bytes = malloc(size);
    tail->streams = malloc(size / 8 + 1);
  }
  if (tail->bytes != NULL && tail->streams != NULL) return;
  free(tail->bytes);
  free(tail->streams);
  tail->bytes = tail->streams = NULL;
  tail->size = 0;
}

void tail_close(struct tail *tail) {
  free(tail->bytes);
  free(tail->streams);
  *tail = (struct tail){0};
}

static int bit_at(const struct tail *tail, size_t at) { return tail->streams[at / 8] >> (at % 8) & 1; }

static void set_bit(struct tail *tail, size_t at, int value) {
  uint8_t mask = (uint8_t)(1u << (at % 8));
  tail->streams[at / 8] = (uint8_t)(value ? tail->streams[at / 8] | mask : tail->streams[at / 8] & ~mask);
}

static void set_bits(struct tail *tail, size_t at, size_t length, int value) {
  for (; length > 0 && at % 8 != 0; at++, length--) set_bit(tail, at, value);
  memset(tail->streams + at / 8, value ? 0xff : 0, length / 8);
  at += length / 8 * 8;
  for (length %= 8; length > 0; at++, length--) set_bit(tail, at, value);
}

void tail_add(struct tail *tail, int stream, const uint8_t *bytes, size_t length) {
  uint64_t position = tail->end;
  tail->counted = false;
  tail->end += length;
  if (tail->end - tail->begin > tail->size) tail->begin = tail->end - tail->size;
  if (position < tail->begin) {
    uint64_t too_old = tail->begin - position;
    size_t skipped = too_old < length ? (size_t)too_old : length;
    bytes += skipped;
    length -= skipped;
    position += skipped;
  }
  while (length > 0) {
    size_t at = (size_t)(position % tail->size);
    size_t piece = length < tail->size - at ? length : tail->size - at;
    memcpy(tail->bytes + at, bytes, piece);
    set_bits(tail, at, piece, stream);
    bytes += piece;
    length -= piece;
    position += piece;
  }
}

bool tail_dropped(const struct tail *tail) { return tail->begin > tail->first; }

uint64_t tail_held(struct tail *tail, int stream) {
  if (!tail->counted) {
    tail->held[0] = tail->held[1] = 0;
    for (uint64_t at = tail->begin; at < tail->end; at++) tail->held[bit_at(tail, (size_t)(at % tail->size))]++;
    tail->counted = true;
  }
  return tail->held[stream];
}

size_t tail_take(struct tail *tail, int *stream, uint8_t *bytes, size_t length_max) {
  size_t length = 0;
  for (; length < length_max && tail->begin < tail->end; length++, tail->begin++) {
    size_t at = (size_t)(tail->begin % tail->size);
    if (length == 0) *stream = bit_at(tail, at);
    if (bit_at(tail, at) != *stream) break;
    bytes[length] = tail->bytes[at];
  }
  if (length > 0) tail->held[*stream] -= length;
  return length;
}
