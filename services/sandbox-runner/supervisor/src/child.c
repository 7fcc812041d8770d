#define _GNU_SOURCE
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ERROR_FD = 3, LAST_FD_BY_HAND = 4095 };

extern char **environ;

static noreturn void fail(int error_fd, const char *what, const char *name) {
  struct child_failure failure;
  memset(&failure, 0, sizeof failure);
  snprintf(failure.reason, sizeof failure.reason, "%s %.300s: %s", what, name, strerror(errno));
  ssize_t ignored = write(error_fd, &failure, sizeof failure);
  (void)ignored;
  _exit(127);
}

void close_from(unsigned first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, ~0u, 0) == 0) return;
#endif
  for (int fd = (int)first; fd <= LAST_FD_BY_HAND; fd++) close(fd);
}

static bool place_descriptors(const struct child_plan *plan) {
  if (dup2(plan->stdin_fd, 0) < 0 || dup2(plan->stdout_fd, 1) < 0 || dup2(plan->stderr_fd, 2) < 0) return false;
  if (plan->error_fd != ERROR_FD && dup3(plan->error_fd, ERROR_FD, O_CLOEXEC) < 0) return false;
  close_from(ERROR_FD + 1);
  return true;
}

// The kernel ends a command before it ends PID 1. Not being allowed to say so is no reason not to run.
static void prefer_for_oom(void) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t ignored = write(fd, "500", 3);
  (void)ignored;
  close(fd);
}

static bool drop_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2];
  memset(none, 0, sizeof none);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  return syscall(SYS_capset, &header, none) == 0;
}

bool become_user(const struct child_user *user) {
  if (!user->keep_user) {
    if (setgroups(0, NULL) != 0 || setresgid(user->gid, user->gid, user->gid) != 0) return false;
    if (setresuid(user->uid, user->uid, user->uid) != 0 || !drop_capabilities()) return false;
  }
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static bool inside(const char *path, const char *root) {
  size_t length = strlen(root);
  while (length > 1 && root[length - 1] == '/') length--;
  if (length == 1) return path[0] == '/';
  return strncmp(path, root, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

// A user that took its own right to enter the work tree can enter nothing to give it back: no command would start there again.
static bool reopen(const char *root) {
  struct stat status;
  return stat(root, &status) == 0 && (status.st_mode & S_IXUSR) == 0 && chmod(root, (status.st_mode & 07777) | S_IRWXU) == 0;
}

static bool enter(const char *cwd, const char *root) {
  return chdir(cwd) == 0 || (errno == EACCES && reopen(root) && chdir(cwd) == 0);
}

// Where the symlinks led is looked at after going there, so nothing can change in between.
static void enter_cwd(const struct child_plan *plan) {
  static char reached[PATH_BYTES_MAX + 1];
  if (!enter(plan->spec->cwd, plan->root)) fail(ERROR_FD, "cannot enter cwd", plan->spec->cwd);
  if (getcwd(reached, sizeof reached) == NULL) fail(ERROR_FD, "cannot enter cwd", plan->spec->cwd);
  errno = EXDEV;
  if (!inside(reached, plan->root)) fail(ERROR_FD, "cwd leads out of the work tree,", plan->spec->cwd);
}

static void reset_signals(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; number++) sigaction(number, &action, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

noreturn void child_run(const struct child_plan *plan) {
  setsid();
  if (!place_descriptors(plan)) fail(plan->error_fd, "cannot set up the descriptors of", plan->spec->argv[0]);
  umask(022);
  prefer_for_oom();
  if (!become_user(&plan->user)) fail(ERROR_FD, "cannot give up root for", plan->spec->argv[0]);
  enter_cwd(plan);
  reset_signals();
  environ = (char **)plan->spec->env;
  execvp(plan->spec->argv[0], (char **)plan->spec->argv);
  fail(ERROR_FD, "cannot execute", plan->spec->argv[0]);
}
