/* Files that must be refused, each with the whole text of its error. */
#ifndef TESTS_UNIT_CONFIG_BAD_FILES_H
#define TESTS_UNIT_CONFIG_BAD_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct bad_file {
    bool schema; /* whether the RELAX NG schema must refuse it, too */
    const char *text;
    const char *error;
};

extern const struct bad_file bad_files[];
extern const size_t nbad_files;

#endif
