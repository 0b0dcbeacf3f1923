/* Linux capabilities (capabilities(7)) of this process, without libcap. A set is a mask of
 * CAPS_BIT(CAP_...) of <linux/capability.h>. */
#ifndef BASE_CAPS_H
#define BASE_CAPS_H

#include <stdint.h>

#define CAPS_BIT(cap) (UINT64_C(1) << (cap))

/* What may be used, or made usable. */
uint64_t caps_permitted(void);

/* Keeps KEEP, as far as it is permitted, permitted and in effect; nothing stays ambient or
 * inheritable. 0, ERR_IO. */
int caps_keep(uint64_t keep);

/* Nothing that is executed later gains capabilities: by its file, or by being root's. Does what it
 * can: without CAP_SETPCAP the kernel refuses, but to whom it refuses has little left to lose. */
void caps_seal(void);

#endif
