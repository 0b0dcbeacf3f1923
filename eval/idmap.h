/* Map from a number to a pointer: open addressing, deletion without tombstones. */
#ifndef EVAL_IDMAP_H
#define EVAL_IDMAP_H

#include <stddef.h>
#include <stdint.h>

struct idmap_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

/* All zeros is an empty map. */
struct idmap {
    struct idmap_slot *slots;
    size_t cap, n; /* cap: 0 or a power of two */
};

void idmap_release(struct idmap *m); /* not the values */
void *idmap_get(const struct idmap *m, uint64_t key);
/* Replaces what was there. VALUE is not NULL. ERR_NOMEM; never when the key is there already. */
int idmap_set(struct idmap *m, uint64_t key, void *value);
void *idmap_del(struct idmap *m, uint64_t key); /* what was there, or NULL */

/* for (size_t i = 0; (v = idmap_next(&m, &i));) in no order; no change of the map meanwhile. */
void *idmap_next(const struct idmap *m, size_t *i);

#endif
