// Two clocks: one for deadlines that nobody can set, one for what people read.
#ifndef WORKTRAIL_CLOCK_H
#define WORKTRAIL_CLOCK_H

#include <stdint.h>
#include <time.h>

// "Never" as a deadline.
#define NEVER INT64_MAX

static inline int64_t clock_monotonic_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline uint64_t clock_wall_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
