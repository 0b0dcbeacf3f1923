/* Columns that are never stored: what they are is worked out when they are read. */
#ifndef ALERTS_COMPUTED_H
#define ALERTS_COMPUTED_H

#include "config/kind.h"
#include "store/view.h"

/* Registers every one with the store's view; KINDS (kept) tells which properties are secrets. */
int computed_register(struct store *s, const struct kinds *kinds);

#endif
