// Feeds the parsers of what comes from outside with inputs that are nearly right, and checks what they promise. Built with sanitizers; every
// input is made from its number, so `fuzz <target> <number> 1` shows a failure again.
//
//   fuzz control|spec|journal|tail FIRST COUNT
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../src/control.h"
#include "../src/journal.h"
#include "../src/spec.h"
#include "../src/tail.h"

enum { INPUT_BYTES_MAX = 70000 };

static uint64_t state, number;

// splitmix64
static uint64_t next(void) {
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static size_t below(size_t bound) { return (size_t)(next() % bound); }

static void demand(int holds, const char *promise) {
  if (holds) return;
  fprintf(stderr, "input %llu breaks: %s\n", (unsigned long long)number, promise);
  abort();
}

struct text {
  char bytes[INPUT_BYTES_MAX];
  size_t length;
};

static void append(struct text *text, const char *bytes, size_t length) {
  if (text->length + length > sizeof text->bytes) return;
  memcpy(text->bytes + text->length, bytes, length);
  text->length += length;
}

#define PICK(list) (list[below(sizeof list / sizeof *list)])

static void append_token(struct text *text) {
  static const char *const tokens[] = {
      "start",  "signal", "cancel", "ack",     "stdin", "status", "close", " ",    "  ",   "\n",   "\n\n", "0",
      "1",      "9",      "64",     "65",      "-1",    "4096",   "18446744073709551615", "18446744073709551616",
      "9223372036854775807", "9223372036854775808", "cmd_01hzzzzzzzzzzzzzzzzzzzzzzz", "cmd_01HZZZZZZZZZZZZZZZZZZZZZZZ",
      "cmd_01hzzzzzzzzzzzzzzzzzzzzzz", "../../../../../../etc/passwd...", "a reason of words", "\xff\xfe", "\t", "=",
      "argv=", "env=", "cwd=", "root=", "timeoutMs=", "graceMs=", "outputBytesMax=", "outputTailBytes=", "unackedBytesMax=", "stdin=", "origin=",
      "end=", "worktrail-request=1", "A=b", "/", "/workspace", "null", "file", "user", "internal"};
  if (below(12) == 0) {
    char zero = '\0';
    append(text, &zero, 1);
  } else if (below(60) == 0) {
    char run[5000];
    memset(run, 'x', sizeof run);
    append(text, run, below(sizeof run));
  } else {
    const char *token = PICK(tokens);
    append(text, token, strlen(token));
  }
}

static void mutate(struct text *text) {
  for (size_t n = below(4); n > 0 && text->length > 0; n--) {
    size_t at = below(text->length);
    switch (below(3)) {
      case 0: text->bytes[at] = (char)next(); break;
      case 1: text->length = at; break;
      default: memmove(text->bytes + at, text->bytes + at + 1, --text->length - at);
    }
  }
}

// A line of the right shape whose parts lie around their bounds.
static void append_near_line(struct text *text) {
  static const char *const verbs[] = {"start", "signal", "cancel", "ack", "stdin", "status"};
  static const char *const numbers[] = {"0", "1", "64", "65", "1000000000000", "1000000000001", "9223372036854775808",
                                        "18446744073709551615", "18446744073709551616"};
  char id[] = "cmd_01hzzzzzzzzzzzzzzzzzzzzzzz", line[600], reason[300];
  if (below(3) == 0) id[below(ID_BYTES)] = (char)(below(96) + 32);
  memset(reason, 'r', sizeof reason);
  reason[CANCEL_REASON_BYTES_MAX - 10 + below(20)] = '\0';
  const char *verb = PICK(verbs), *number_text = PICK(numbers);
  int tail = (int)below(4);
  int length = snprintf(line, sizeof line, "%s %s%s%s%s%s\n", verb, id, tail > 0 ? " " : "", tail > 0 ? number_text : "",
                        tail == 2 ? " close" : tail == 3 ? " " : "", tail == 3 ? reason : "");
  append(text, line, (size_t)length);
}

// What was made of a stream of lines, boiled down to a number that does not depend on how the stream was cut.
struct digest {
  uint64_t lines, refused, sum;
};

// Said in other words than in ident.c.
static int is_id(const char *id) {
  static const char lower[] = "abcdefghijklmnopqrstuvwxyz", both[] = "abcdefghijklmnopqrstuvwxyz0123456789";
  return strlen(id) == 30 && strspn(id, lower) >= 3 && id[3] == '_' && strspn(id + 4, both) == 26;
}

static void take_line(void *context, const struct control_line *line) {
  struct digest *digest = context;
  digest->lines++;
  if (line == NULL) {
    digest->refused++;
    return;
  }
  demand(line->verb == CONTROL_STATUS ? line->id[0] == '\0' : is_id(line->id), "a line that is accepted has a valid id");
  demand(strlen(line->reason) <= CANCEL_REASON_BYTES_MAX, "a reason is bounded");
  demand(line->verb != CONTROL_SIGNAL || (line->number >= 1 && line->number <= 64), "a signal is one");
  digest->sum = digest->sum * 31 + (uint64_t)line->verb * 7 + line->number + line->close + strlen(line->reason);
}

static void fuzz_control(void) {
  static struct text text;
  static struct control_buffer whole, cut;
  struct digest at_once = {0, 0, 0}, in_pieces = {0, 0, 0};
  text.length = 0;
  for (size_t n = below(40); n > 0; n--) below(3) != 0 ? append_near_line(&text) : append_token(&text);
  mutate(&text);
  append(&text, "\n", 1);
  memset(&whole, 0, sizeof whole);
  memset(&cut, 0, sizeof cut);
  control_feed(&whole, text.bytes, text.length, take_line, &at_once);
  for (size_t at = 0, piece; at < text.length; at += piece) {
    piece = 1 + below(300);
    if (piece > text.length - at) piece = text.length - at;
    control_feed(&cut, text.bytes + at, piece, take_line, &in_pieces);
  }
  demand(memcmp(&at_once, &in_pieces, sizeof at_once) == 0, "how the stream was cut makes no difference");
  if (text.bytes[text.length - 1] != '\n') return;
  uint64_t refused = at_once.refused;
  static const char good[] = "status\n";
  control_feed(&whole, good, sizeof good - 1, take_line, &at_once);
  demand(at_once.refused == refused, "the line after a bad one is read");
}

static void append_entry(struct text *text, const char *entry) { append(text, entry, strlen(entry) + 1); }

static void make_request(struct text *text) {
  static const char *const entries[] = {"argv=/bin/sh",     "argv=-c",        "argv=",          "env=PATH=/bin",
                                        "env=A=",           "env==x",         "cwd=/workspace", "cwd=relative",
                                        "root=/workspace",  "timeoutMs=5000", "timeoutMs=x",    "graceMs=0",
                                        "outputBytesMax=9", "outputTailBytes=9", "outputTailBytes=10", "outputTailBytes=1048577",
                                        "unackedBytesMax=1", "unackedBytesMax=0", "stdin=file",
                                        "stdin=tty",        "origin=internal", "nonsense=1",    "nonsense"};
  text->length = 0;
  if (below(20) != 0) append_entry(text, "worktrail-request=1");
  append_entry(text, "argv=/bin/true");
  append_entry(text, "cwd=/workspace");
  for (size_t n = below(12); n > 0; n--) below(6) == 0 ? append_token(text) : append_entry(text, PICK(entries));
  if (below(500) == 0)
    for (size_t n = LIST_ENTRIES_MAX - 4 + below(8); n > 0; n--) append_entry(text, text->length % 2 ? "argv=x" : "env=A=x");
  if (below(500) == 0)
    for (size_t n = LIST_ENTRIES_MAX - 4 + below(8); n > 0; n--) append_entry(text, "argv=x");
  if (below(20) != 0) append_entry(text, "end=");
  if (below(3) == 0) mutate(text);
}

static uint64_t specs_accepted;

static void fuzz_spec(void) {
  static struct text text;
  static struct spec spec;
  make_request(&text);
  // Of exactly the input's size, so that one byte too far is seen.
  char *bytes = malloc(text.length + 1);
  char *exact = realloc(bytes, text.length > 0 ? text.length : 1);
  memcpy(exact, text.bytes, text.length);
  const char *reason = NULL;
  if (spec_parse(exact, text.length, &spec, &reason)) {
    specs_accepted++;
    demand(spec.argc >= 1 && spec.argc <= LIST_ENTRIES_MAX && spec.argv[spec.argc] == NULL, "argv is a bounded list");
    demand(spec.envc <= LIST_ENTRIES_MAX && spec.env[spec.envc] == NULL, "env is a bounded list");
    demand(spec.cwd[0] == '/' && spec.unacked_bytes_max > 0, "cwd and unackedBytesMax are usable");
    demand(!spec.keeps_tail || spec.output_tail_bytes <= spec.output_bytes_max, "a tail is a part of what may be kept");
    demand(spec.output_tail_bytes <= OUTPUT_TAIL_BYTES_MAX, "a tail is bounded");
    for (size_t i = 0; i < spec.argc; i++) demand(spec.argv[i] >= exact && spec.argv[i] < exact + text.length, "argv is in the input");
    for (size_t i = 0; i < spec.envc; i++) demand(strchr(spec.env[i], '=') > spec.env[i], "env has names");
  } else {
    demand(reason != NULL && strncmp(reason, "request: ", 9) == 0, "a refusal has its reason");
  }
  free(exact);
}

// Frames of any size come out as many bytes as they were given, whole and in order.
static void fuzz_journal(void) {
  static struct journal journal;
  journal.fd = memfd_create("journal", 0);
  journal.length = journal.written = 0;
  uint64_t expected = 0, position = 0;
  for (size_t n = 1 + below(5); n > 0; n--) {
    size_t length = 1 + below(below(2) ? 100 : OUTPUT_BYTES_PER_FRAME_MAX);
    memset(journal_output_space(&journal), (int)n, length);
    journal_output(&journal, 1, position, position, length);
    position += length;
    expected += FRAME_PREFIX_BYTES + OUTPUT_PREFIX_BYTES + length;
  }
  char reason[REASON_BYTES_MAX + 100];
  size_t reason_length = below(sizeof reason);
  memset(reason, 'r', sizeof reason);
  reason[reason_length] = '\0';
  const struct journal_end end = {.outcome = OUTCOME_EXITED, .reason = reason, .stdout_bytes = position};
  journal_end(&journal, &end);
  expected += FRAME_PREFIX_BYTES + 64 + (reason_length < REASON_BYTES_MAX ? reason_length : REASON_BYTES_MAX);
  demand(!journal_waiting(&journal), "everything is written");
  demand((uint64_t)lseek(journal.fd, 0, SEEK_END) == expected, "the journal has the bytes it was given");
  journal_close(&journal);
}

// The last bytes of what was added come out, each once, in order, as of the stream they were added to.
static void fuzz_tail(void) {
  enum { ALL_MAX = 4000 };
  static uint8_t all[ALL_MAX], streams[ALL_MAX], piece[ALL_MAX];
  struct tail tail;
  size_t size = below(4) == 0 ? below(20) : below(700), total = 0, limit = below(ALL_MAX);
  uint64_t first = next() >> 12;
  tail_open(&tail, size, first);
  while (total < limit) {
    size_t length = 1 + below(below(2) ? 4 : 300);
    if (length > limit - total) length = limit - total;
    int stream = (int)below(2);
    for (size_t i = 0; i < length; i++) all[total + i] = (uint8_t)next();
    memset(streams + total, stream, length);
    tail_add(&tail, stream, all + total, length);
    total += length;
    demand(tail.end == first + total && tail.end - tail.begin <= size, "what is held is bounded");
  }
  size_t held = total < size ? total : size, at = total - held;
  demand(tail_dropped(&tail) == (total > size), "what was dropped is known");
  uint64_t of[2] = {tail_held(&tail, 0), tail_held(&tail, 1)};
  demand(of[0] + of[1] == held && tail.begin == first + at, "exactly the last bytes are held");
  while (true) {
    int stream = -1;
    size_t max = 1 + below(400), taken = tail_take(&tail, &stream, piece, max);
    if (taken == 0) break;
    demand(taken <= max && at + taken <= total, "no more is taken than asked for");
    demand(memcmp(piece, all + at, taken) == 0, "the bytes are those that were added");
    for (size_t i = 0; i < taken; i++) demand(streams[at + i] == stream, "a piece is of one stream");
    at += taken;
    of[stream] -= taken;
    demand(tail_held(&tail, stream) == of[stream], "what is held of a stream is counted");
  }
  demand(at == total, "all that is held comes out");
  tail_close(&tail);
}

static void (*fuzz_of(const char *target))(void) {
  static const struct {
    const char *name;
    void (*run)(void);
  } targets[] = {{"control", fuzz_control}, {"spec", fuzz_spec}, {"journal", fuzz_journal}, {"tail", fuzz_tail}};
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
    if (strcmp(target, targets[i].name) == 0) return targets[i].run;
  return NULL;
}

int main(int argc, char **argv) {
  void (*fuzz)(void) = argc == 4 ? fuzz_of(argv[1]) : NULL;
  if (fuzz == NULL) return 2;
  uint64_t first = strtoull(argv[2], NULL, 10), count = strtoull(argv[3], NULL, 10);
  for (number = first; number < first + count; number++) {
    state = number * 0x2545f4914f6cdd1du + 1;
    fuzz();
  }
  printf("%llu inputs, %llu requests accepted\n", (unsigned long long)count, (unsigned long long)specs_accepted);
  return 0;
}
