/* A reload: the store takes the whole file or nothing of it, then memory follows, which cannot fail
 * any more. Until then what was in force goes on. */
#include "daemon/core.h"

#include <inttypes.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/confile.h"
#include "daemon/kinds.h"

/* The store is open, and held by more than this process: only a new start changes where it is. */
static int check_store(const struct config *now, const struct config *f, struct err *e)
{
    if (strcmp(now->store_path, f->store_path))
        return err_set(e, ERR_INVALID, "%s: the store is %s, not %s: moving it needs a restart",
                       f->file, now->store_path, f->store_path);
    if (strcmp(now->store_group ? now->store_group : "", f->store_group ? f->store_group : ""))
        return err_set(e, ERR_INVALID, "%s: the store's group changes: that needs a restart",
                       f->file);
    if (now->store_map_bytes != f->store_map_bytes)
        return err_set(e, ERR_INVALID,
                       "%s: the store's mapSize changes (%" PRIu64 " to %" PRIu64
                       " octets): that needs a restart",
                       f->file, now->store_map_bytes, f->store_map_bytes);
    return 0;
}

static void swap(struct core *c, struct config *f, struct core_parts *parts)
{
    struct config *old = c->config;
    bool moved = strcmp(old->agentx_address, f->agentx_address) || old->alarm_mib != f->alarm_mib ||
                 old->notification_log_mib != f->notification_log_mib;
    bool wanted = old->agentx_enabled != f->agentx_enabled,
         runs = core_needs_runner(old) != core_needs_runner(f);

    c->config = f;
    core_parts_install(c, parts);
    if (parts->added || parts->changed || parts->gone)
        log_info("config", "%zu sources and handlers are new, %zu changed, %zu gone", parts->added,
                 parts->changed, parts->gone);
    core_parts_release(parts);
    config_free(old);
    if (wanted)
        core_agent_want(c);
    else if (moved && c->agent)
        core_agent_greet(c); /* it starts anew */
    if (runs)
        core_runner_want(c);
    eval_client_flush(c->eval);
}

int core_reload(struct core *c, struct config *f, struct err *e)
{
    struct core_parts parts;
    int err = check_store(c->config, f, e);

    if (!err) {
        err = core_parts_prepare(c, f, &parts);
        if (err)
            err_set(e, err, "%s: out of memory", f->file);
    }
    if (err) {
        config_free(f);
        return err;
    }
    err = core_config_apply(c, f, e);
    if (err) {
        core_parts_release(&parts);
        config_free(f);
        return err;
    }
    swap(c, f, &parts);
    return 0;
}

/* For managers; what is in force stays, whether or not this can be stored. */
static void show_refusal(struct core *c, const char *why)
{
    struct txn *t = txn_begin(c->store, TXN_WRITE);
    struct key k = key_of_scalars();
    struct edit d;
    struct err e;

    txn_allow_growth(t);
    edit_begin(&d, t, sa_table_by_id(SA_SYSTEM), &k);
    edit_int(&d, SYSTEM_CONFIG_STATUS, 2);
    edit_str(&d, SYSTEM_CONFIG_ERROR, why);
    row_put(&d, NULL);
    if (txn_commit(t, &e))
        log_error("store", "cannot show that the configuration was refused: %s", e.text);
}

int core_on_config(void *arg, const struct stage_config *s, int fd)
{
    struct core *c = arg;
    struct config *f = NULL;
    struct err e = {.text = ""};
    int err = s->accepted ? confile_parse(&f, s->file, fd, &daemon_kinds, &e)
                          : err_set(&e, ERR_INVALID, "%s", s->error);

    if (fd >= 0)
        close(fd);
    if (!err)
        err = core_reload(c, f, &e);
    if (err) /* the parent logs it, whoever refused */
        show_refusal(c, e.text);
    malloc_trim(0); /* two files at a time are much more than one */
    stage_answer(c->stage, STAGE_RELOADED, !err, err ? e.text : "");
    return 0;
}
