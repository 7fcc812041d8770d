// The supervisor: PID 1 of a sandbox. It opens its run directory, says that it is ready, and then answers events until it is told to stop.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "ctl.h"
#include "discard.h"
#include "options.h"

// After everything was killed, for what the disk has not taken yet.
enum { STOP_EXTRA_MS = 2000, EVENTS_PER_TURN = 64 };

static struct supervisor supervisor;
static struct control_buffer control_buffer;
static struct source control_source = {SOURCE_CONTROL, NULL}, signal_source = {SOURCE_SIGNALS, NULL};
static int control_fd, signals_fd;
static int64_t stop_by_ms = NEVER;

bool supervisor_watch(const struct supervisor *s, int fd, uint32_t events, struct source *source) {
  struct epoll_event event = {.events = events, .data.ptr = source};
  return epoll_ctl(s->events_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

void supervisor_unwatch(const struct supervisor *s, int fd) { epoll_ctl(s->events_fd, EPOLL_CTL_DEL, fd, NULL); }

static bool complain(const char *what) {
  fprintf(stderr, "supervisor: %s: %s\n", what, strerror(errno));
  return false;
}

static int open_part(const char *name) {
  if (mkdirat(supervisor.run_fd, name, 0700) != 0 && errno != EEXIST) return -1;
  return openat(supervisor.run_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static bool open_run_directory(const struct options *options) {
  supervisor.run_fd = open(options->run_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (supervisor.run_fd < 0) return complain(options->run_directory);
  supervisor.requests_fd = open_part("requests");
  supervisor.stdin_fd = open_part("stdin");
  supervisor.journals_fd = open_part("journals");
  if (supervisor.requests_fd < 0 || supervisor.stdin_fd < 0 || supervisor.journals_fd < 0) return complain("the run directory's parts");
  return true;
}

// Opened for reading and writing, so that it never comes to an end when the host closes it.
static bool open_control(const struct options *options) {
  int directory_fd = open(options->control_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat status;
  if (directory_fd < 0) return complain(options->control_directory);
  if (mkfifoat(directory_fd, "control", 0600) != 0 && errno != EEXIST) return complain("making the FIFO \"control\"");
  control_fd = openat(directory_fd, "control", O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  close(directory_fd);
  if (control_fd < 0) return complain("opening the FIFO \"control\"");
  errno = EINVAL;
  return (fstat(control_fd, &status) == 0 && S_ISFIFO(status.st_mode)) || complain("\"control\" is not a FIFO");
}

static bool open_signals(void) {
  sigset_t handled;
  sigemptyset(&handled);
  sigaddset(&handled, SIGCHLD);
  sigaddset(&handled, SIGTERM);
  sigaddset(&handled, SIGINT);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  if (sigprocmask(SIG_BLOCK, &handled, NULL) != 0) return complain("blocking signals");
  signals_fd = signalfd(-1, &handled, SFD_NONBLOCK | SFD_CLOEXEC);
  return signals_fd >= 0 || complain("signalfd");
}

// The command's 0, 1 and 2 are put in place by number, so ours must not be among them.
static void keep_standard_descriptors(void) {
  int fd;
  do fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= 2);
  if (fd > 2) close(fd);
}

static bool open_relay(uint16_t port) {
  supervisor.relay.start_at_ms = NEVER;
  if (port == 0) return true;
  if (!relay_open(&supervisor.relay, supervisor.run_fd, port, supervisor.keep_user)) return complain("the relay's ports");
  relay_timers(&supervisor.relay);
  return true;
}

static bool make_boot_id(void) {
  static const char digits[] = "0123456789abcdef";
  uint8_t random[BOOT_ID_BYTES / 2];
  if (getrandom(random, sizeof random, 0) != sizeof random) return complain("getrandom");
  for (size_t i = 0; i < sizeof random; i++) {
    supervisor.boot_id[2 * i] = digits[random[i] >> 4];
    supervisor.boot_id[2 * i + 1] = digits[random[i] & 15];
  }
  return true;
}

static bool say_ready(void) {
  int fd = openat(supervisor.run_fd, "boot.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  bool written = fd >= 0 && dprintf(fd, "%s\n", supervisor.boot_id) == BOOT_ID_BYTES + 1;
  if (fd >= 0) close(fd);
  return (written && renameat(supervisor.run_fd, "boot.tmp", supervisor.run_fd, "boot") == 0) || complain("writing \"boot\"");
}

static bool set_up(const struct options *options) {
  keep_standard_descriptors();
  umask(077);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  supervisor.root = options->root;
  supervisor.uid = options->uid;
  supervisor.gid = options->gid;
  supervisor.keep_user = options->keep_user;
  supervisor.stop_grace_ms = options->stop_grace_ms;
  oom_open(&supervisor.oom, options->oom_file);
  supervisor.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  supervisor.events_fd = epoll_create1(EPOLL_CLOEXEC);
  if (supervisor.null_fd < 0 || supervisor.events_fd < 0) return complain("/dev/null or epoll");
  if (!open_run_directory(options) || !open_signals() || !open_control(options) || !make_boot_id()) return false;
  if (!open_relay(options->relay_port)) return false;
  if (!supervisor_watch(&supervisor, control_fd, EPOLLIN, &control_source)) return complain("epoll");
  if (!supervisor_watch(&supervisor, signals_fd, EPOLLIN, &signal_source)) return complain("epoll");
  return say_ready();
}

static void handle_line(void *context, const struct control_line *line) { commands_control(context, line); }

static void read_control(void) {
  static char bytes[65536];
  ssize_t n = read(control_fd, bytes, sizeof bytes);
  if (n > 0) control_feed(&control_buffer, bytes, (size_t)n, handle_line, &supervisor);
}

// Orphans too: PID 1 is everybody's last parent.
void supervisor_reap(void) {
  int status;
  struct rusage usage;
  for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;)
    if (!relay_child_ended(&supervisor.relay, pid)) commands_child_ended(&supervisor, pid, status, &usage);
}

static void read_signals(void) {
  struct signalfd_siginfo info;
  while (read(signals_fd, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD || supervisor.stopping) continue;
    commands_stop(&supervisor);
    stop_by_ms = clock_monotonic_ms() + supervisor.stop_grace_ms + STOP_EXTRA_MS;
  }
  supervisor_reap();
}

static void answer(struct source *source) {
  struct command *command = source->owner;
  switch (source->kind) {
    case SOURCE_CONTROL: read_control(); return;
    case SOURCE_SIGNALS: read_signals(); return;
    case SOURCE_EXEC: command_exec_ready(&supervisor, command); return;
    case SOURCE_STDIN: stdin_feed_pump(&supervisor, &command->input); return;
    case SOURCE_OUTPUT: command_output_ready(&supervisor, command, (struct output *)source); return;
    case SOURCE_DISCARD: discard_ready(&supervisor, source); return;
  }
}

static int timeout_ms(void) {
  int64_t next = commands_next_deadline_ms(&supervisor);
  if (stop_by_ms < next) next = stop_by_ms;
  if (supervisor.relay.start_at_ms < next) next = supervisor.relay.start_at_ms;
  if (next == NEVER) return -1;
  int64_t left = next - clock_monotonic_ms();
  return left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

static int run(void) {
  struct epoll_event events[EVENTS_PER_TURN];
  while (true) {
    int n = epoll_wait(supervisor.events_fd, events, EVENTS_PER_TURN, timeout_ms());
    if (n < 0 && errno != EINTR) return complain("epoll_wait"), 1;
    for (int i = 0; i < n; i++) answer(events[i].data.ptr);
    commands_timers(&supervisor);
    relay_timers(&supervisor.relay);
    if (supervisor.stopping && (commands_live() == 0 || clock_monotonic_ms() >= stop_by_ms)) return 0;
  }
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--version") == 0) return printf("worktrail-supervisor %d\n", PROTOCOL_VERSION) < 0;
  if (argc == 4 && strcmp(argv[1], "ctl") == 0) return ctl_run(argv[2], argv[3]);
  struct options options;
  if (!options_parse(argc, argv, &options)) return 2;
  return set_up(&options) ? run() : 1;
}
