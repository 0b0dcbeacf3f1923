/* Who else may open the store. Names of files cannot be given away with it: its folders are to be
 * entered, not written to. */
#include "store/impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name;
    mode_t mode;
} parts[] = {
    {"core.lock", 0640},
    {"lock", 0660},
    {"state/data.mdb", 0660},
    {"state/lock.mdb", 0660},
    {"samples/data.mdb", 0660},
    {"samples/lock.mdb", 0660},
    {"state", 0710},
    {"samples", 0710},
    {".", 0710}, /* the last: nobody enters before all is as it should be */
};

int store_share(struct store *s, gid_t group, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof parts / sizeof *parts; i++) {
        char *p = NULL;
        if (asprintf(&p, "%s/%s", s->path, parts[i].name) < 0)
            return err_set(e, ERR_NOMEM, "out of memory");
        if (chown(p, (uid_t)-1, group) || chmod(p, parts[i].mode))
            rc = err_errno(e, "giving %s to the group %ld as user %ld", p, (long)group,
                           (long)geteuid());
        free(p);
    }
    return rc;
}
