// Every bound of the supervisor, in one place. README.md names them for the host's side.
#ifndef WORKTRAIL_LIMITS_H
#define WORKTRAIL_LIMITS_H

#define PROTOCOL_VERSION 2

#define LIVE_USER_MAX 64
#define LIVE_INTERNAL_MAX 8
// Commands that were refused and whose end is not written yet (the disk is full).
#define REFUSED_MAX 4
#define SLOTS (LIVE_USER_MAX + LIVE_INTERNAL_MAX + REFUSED_MAX)

// Pipes of ended commands that something left behind still holds.
#define DISCARD_PIPES_MAX 256

// Processes that are looked at when there is no room for another one.
#define PROCESSES_MAX 8192

#define ID_BYTES 30
#define BOOT_ID_BYTES 32

#define CONTROL_LINE_BYTES_MAX 4096
#define CANCEL_REASON_BYTES_MAX 200

#define REQUEST_BYTES_MAX (1024 * 1024)
#define LIST_ENTRIES_MAX 4096
#define ARGUMENT_BYTES_MAX 131071
#define PATH_BYTES_MAX 4095

#define OUTPUT_BYTES_PER_FRAME_MAX 65536
// Of frames that are not acknowledged: a command that prints byte by byte must not fill the disk with what is around its bytes.
#define UNACKED_FRAMES_MAX 262144
#define FRAMES_PER_MARK 4096
#define MARKS_MAX 128
// What may be held in memory of one command's output, to be written at its end.
#define OUTPUT_TAIL_BYTES_MAX (1024 * 1024)
// Of that, before the others get their turn.
#define TAIL_FRAMES_PER_TURN 64
#define REASON_BYTES_MAX 512

// Of the relay: connections at once, what is held of each direction, a question's length (DNS over UDP), how long the runner is waited for.
#define RELAY_PAIRS_MAX 256
#define RELAY_BUFFER_BYTES 16384
#define RELAY_QUESTION_BYTES_MAX 1500
#define RELAY_PATIENCE_MS 20000
// Nobody: a user of its own, which commands cannot signal.
#define RELAY_UID 65534

#define GRACE_MS_DEFAULT 5000
#define UNACKED_BYTES_DEFAULT (16ull * 1024 * 1024)
#define OOM_LOOK_MS 2500
// About 31 years: what is above is a mistake, and deadlines cannot overflow.
#define DURATION_MS_MAX 1000000000000ull

#endif
