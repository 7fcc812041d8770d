#define _GNU_SOURCE
#include "ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "limits.h"

int ctl_run(const char *directory, const char *line) {
  char path[PATH_BYTES_MAX + 1], framed[CONTROL_LINE_BYTES_MAX + 1];
  int path_length = snprintf(path, sizeof path, "%s/control", directory);
  int length = snprintf(framed, sizeof framed, "\n%s\n", line);
  if (path_length >= (int)sizeof path || length > CONTROL_LINE_BYTES_MAX || strchr(line, '\n') != NULL) {
    fprintf(stderr, "supervisor ctl: not one line of at most %d bytes\n", CONTROL_LINE_BYTES_MAX - 2);
    return 2;
  }
  int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0 && write(fd, framed, (size_t)length) == length) return 0;
  fprintf(stderr, "supervisor ctl: %s: %s\n", path, strerror(errno));
  return 3;
}
