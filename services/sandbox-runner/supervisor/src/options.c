#define _GNU_SOURCE
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "ident.h"
#include "limits.h"
#include "relay.h"

static bool parse_number(const char *name, const char *text, uint64_t max, uint64_t *out) {
  if (number_parse(text, max, out)) return true;
  fprintf(stderr, "supervisor: --%s needs a whole number up to %llu, not \"%s\"\n", name, (unsigned long long)max, text);
  return false;
}

bool options_parse(int argc, char **argv, struct options *options) {
  static const struct option known[] = {
      {"run", required_argument, NULL, 'r'},      {"control-dir", required_argument, NULL, 'c'},
      {"root", required_argument, NULL, 'w'},     {"oom-file", required_argument, NULL, 'o'},
      {"uid", required_argument, NULL, 'u'},      {"gid", required_argument, NULL, 'g'},
      {"keep-user", no_argument, NULL, 'k'},      {"stop-grace-ms", required_argument, NULL, 's'},
      {"relay-port", required_argument, NULL, 'p'},  {NULL, 0, NULL, 0},
  };
  *options = (struct options){
      .run_directory = "/worktrail/run", .root = "/workspace", .uid = 1000, .gid = 1000, .stop_grace_ms = GRACE_MS_DEFAULT};
  options->keep_user = geteuid() != 0;
  uint64_t number = 0;
  for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    switch (c) {
      case 'r': options->run_directory = optarg; break;
      case 'c': options->control_directory = optarg; break;
      case 'w': options->root = optarg; break;
      case 'o': options->oom_file = optarg; break;
      case 'k': options->keep_user = true; break;
      case 'u':
        if (!parse_number("uid", optarg, UINT32_MAX - 1, &number)) return false;
        options->uid = (uid_t)number;
        break;
      case 'g':
        if (!parse_number("gid", optarg, UINT32_MAX - 1, &number)) return false;
        options->gid = (gid_t)number;
        break;
      case 's':
        if (!parse_number("stop-grace-ms", optarg, DURATION_MS_MAX, &number)) return false;
        options->stop_grace_ms = (int64_t)number;
        break;
      case 'p':
        if (!parse_number("relay-port", optarg, UINT16_MAX - RELAY_PORTS, &number)) return false;
        options->relay_port = (uint16_t)number;
        break;
      default: return false;
    }
  }
  if (options->control_directory == NULL) options->control_directory = options->run_directory;
  if (optind == argc) return true;
  fprintf(stderr, "supervisor: unexpected argument \"%s\"\n", argv[optind]);
  return false;
}
