// The command line.
#ifndef WORKTRAIL_OPTIONS_H
#define WORKTRAIL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct options {
  const char *run_directory;
  const char *control_directory;
  const char *root;
  const char *oom_file;
  uid_t uid;
  gid_t gid;
  bool keep_user;
  int64_t stop_grace_ms;
  uint16_t relay_port;  // 0: no relay
};

// False after saying on stderr what is wrong.
bool options_parse(int argc, char **argv, struct options *options);

#endif
