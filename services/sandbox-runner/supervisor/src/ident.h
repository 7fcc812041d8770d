// Ids are file names here: what does not match `[a-z]{3}_[0-9a-z]{26}` never reaches the file system.
#ifndef WORKTRAIL_IDENT_H
#define WORKTRAIL_IDENT_H

#include <stdbool.h>
#include <stdint.h>

bool ident_valid(const char *id);

// A decimal number without sign or leading blanks, not above `max`.
bool number_parse(const char *text, uint64_t max, uint64_t *out);

#endif
