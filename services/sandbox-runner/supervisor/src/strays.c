#define _GNU_SOURCE
#include "strays.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "process.h"

// How often to look for those that were born while others were stopped; how long the killed ones are waited for, and how often looked at.
enum { STOP_PASSES_MAX = 16, KILLED_WAIT_MS = 2000, LOOK_MS = 5 };

static struct process table[PROCESSES_MAX];
static size_t table_length;
static pid_t spared_pid;

static int by_pid(const void *a, const void *b) {
  pid_t first = ((const struct process *)a)->pid, second = ((const struct process *)b)->pid;
  return (first > second) - (first < second);
}

static void read_table(void) {
  table_length = 0;
  DIR *proc = opendir("/proc");
  if (proc == NULL) return;
  for (struct dirent *entry; table_length < PROCESSES_MAX && (entry = readdir(proc)) != NULL;)
    if (process_read(dirfd(proc), entry->d_name, &table[table_length])) table_length++;
  closedir(proc);
  qsort(table, table_length, sizeof *table, by_pid);
}

// One whose parents cannot be followed to the supervisor is none: it was not started here, or moves while it is looked at.
static bool is_stray(const struct process *process) {
  const struct process *own = process;
  for (size_t steps = 0; own != NULL && steps < table_length; steps++) {
    if (own->pid == spared_pid) return false;
    if (commands_lead(own->pid) || commands_lead(own->session)) return false;
    if (own->parent == getpid()) return true;
    const struct process parent = {.pid = own->parent};
    own = bsearch(&parent, table, table_length, sizeof *table, by_pid);
  }
  return false;
}

// Answers how many it reached. What is stopped already need not be stopped again.
static size_t signal_strays(int number) {
  size_t reached = 0;
  read_table();
  for (size_t i = 0; i < table_length; i++) {
    if (!process_alive(&table[i]) || (number == SIGSTOP && table[i].state == 'T') || !is_stray(&table[i])) continue;
    reached += kill(table[i].pid, number) == 0;
  }
  return reached;
}

static void await_child(void) {
  const struct timespec look = {.tv_nsec = LOOK_MS * 1000000};
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigtimedwait(&child, NULL, &look);
}

// Stopped first: what is killed makes room, in which the rest would fork on.
void strays_end(pid_t spared) {
  spared_pid = spared;
  for (int pass = 0; pass < STOP_PASSES_MAX && signal_strays(SIGSTOP) > 0; pass++) continue;
  int64_t give_up_at_ms = clock_monotonic_ms() + KILLED_WAIT_MS;
  while (signal_strays(SIGKILL) > 0 && clock_monotonic_ms() < give_up_at_ms) {
    await_child();
    supervisor_reap();
  }
  supervisor_reap();
}
