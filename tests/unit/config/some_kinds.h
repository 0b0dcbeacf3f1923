/* Kinds that only tests know, with every type of property. */
#ifndef TESTS_UNIT_CONFIG_SOME_KINDS_H
#define TESTS_UNIT_CONFIG_SOME_KINDS_H

#include "config/kind.h"

extern const struct kinds some_kinds;

#endif
