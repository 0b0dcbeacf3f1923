#include "agent/reason.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

void reason_keep(struct store *s, const char *owner, const struct err *e)
{
    const struct sa_table *owners = sa_table_by_id(SA_OWNER);
    struct key k = key_of_name(owner);
    struct txn *x = txn_begin(s, TXN_WRITE_SAMPLES);
    struct edit d;
    char text[sizeof(e->text) + 32];

    log_debug(owner, "SET refused: %s: %s", err_name(e->code), e->text);
    if (!row_exists(x, owners, &k)) {
        txn_abort(x);
        return;
    }
    snprintf(text, sizeof(text), "%s: %s", err_name(e->code), e->text);
    edit_begin(&d, x, owners, &k);
    edit_str(&d, OWNER_LAST_ERROR, text);
    edit_int(&d, OWNER_LAST_ERROR_TIME, clock_wall_ms());
    row_put(&d, NULL);
    if (txn_commit(x, NULL))
        log_warning("agent", "the reason for a refused SET of %s is not kept", owner);
}
