// `supervisor ctl DIR LINE`: one control line, for engines where the host cannot write the FIFO itself.
#ifndef WORKTRAIL_CTL_H
#define WORKTRAIL_CTL_H

// The exit code: 0 written, 2 not a line, 3 nobody reads the FIFO (or it is full).
int ctl_run(const char *directory, const char *line);

#endif
