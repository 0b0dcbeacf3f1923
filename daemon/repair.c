#include "daemon/repair.h"

#include <poll.h>
#include <stdlib.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "alerts/rebuild.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "daemon/kinds.h"
#include "daemon/stage.h"
#include "store/verify.h"

enum { CLAIM_MS = 5000, LOOK_MS = 20, KEPT_MAX = 4200 };

/* Those whose parent was killed end by themselves, and let go of it in a moment. */
static int verify(const struct store_options *o, struct verify_report *ret, struct err *e)
{
    int64_t give_up = clock_mono_ms() + CLAIM_MS;
    int err;

    while ((err = store_verify(o, ret, e)) == ERR_AGAIN && clock_mono_ms() < give_up)
        poll(NULL, 0, LOOK_MS);
    return err;
}

/* "1 page and 3 rows" of what cannot be used. */
static void count_damage(char *dst, size_t cap, const struct verify_report *r)
{
    snprintf(dst, cap, "%llu page%s and %llu row%s", (unsigned long long)r->bad_pages,
             r->bad_pages == 1 ? "" : "s", (unsigned long long)r->bad_rows,
             r->bad_rows == 1 ? "" : "s");
}

static void log_repair(const struct verify_report *r, const char *kept)
{
    char damage[96];

    count_damage(damage, sizeof damage, r);
    log_error("store", "repaired: %s could not be read (first: %s); %llu rows are kept", damage,
              r->first, (unsigned long long)r->rows);
    if (kept[0])
        log_error("store", "the damaged one is kept as %s", kept);
}

int repair_store(const struct store_options *o, struct err *e)
{
    struct verify_report report = {0};
    char kept[KEPT_MAX] = "";
    int err = verify(o, &report, e);

    if (err == ERR_NOTFOUND)
        return 0;
    if (!err)
        log_info("store", "verified, %llu pages with %llu rows: sound",
                 (unsigned long long)report.pages, (unsigned long long)report.rows);
    if (err != ERR_CORRUPT)
        return err;
    log_error("store", "%s", e->text);
    err = store_repair(o, &report, kept, sizeof kept, e);
    if (!err)
        log_repair(&report, kept);
    return err;
}

/* ---- while it is open ---- */

/* From within a transaction, which ends with the process: nothing of it is committed. */
static void on_fatal(void *arg, int code, const char *words)
{
    (void)arg;
    log_error("store", "%s", words);
    _exit(code == ERR_CORRUPT ? EXIT_CORRUPT : EXIT_FAILURE);
}

void repair_watch(struct store *s)
{
    store_on_fatal(s, on_fatal, NULL);
}

int repair_derived(struct store *s, bool force, struct err *e)
{
    struct rebuild_report r;
    int err = rebuild_derived(s, force, clock_wall_ms(), &r, e);

    if (!err && r.done)
        log_info("store",
                 "indexes made anew: %llu alerts (%llu without their definitions), %llu notices in "
                 "their queues, %llu rows that led nowhere deleted",
                 (unsigned long long)r.alerts, (unsigned long long)r.orphans,
                 (unsigned long long)r.notices, (unsigned long long)r.dangling);
    return err;
}

/* ---- by hand ---- */

static int status_of(int err)
{
    static const struct {
        int err, status;
    } list[] = {
        {0, 0},
        {ERR_CORRUPT, EXIT_CORRUPT},
        {ERR_NOTFOUND, EX_NOINPUT},
        {ERR_AGAIN, EX_TEMPFAIL},
    };

    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        if (list[i].err == err)
            return list[i].status;
    }
    return 1;
}

static void print_report(const char *path, const struct verify_report *r, const char *verdict)
{
    char damage[96];

    count_damage(damage, sizeof damage, r);
    printf("%s: %s: %llu pages, %llu rows, %llu other values; damaged: %s\n", path, verdict,
           (unsigned long long)r->pages, (unsigned long long)r->rows, (unsigned long long)r->values,
           damage);
    if (r->first[0])
        printf("%s: first damage: %s\n", path, r->first);
}

static int repair_by_hand(const struct store_options *o, struct err *e)
{
    struct verify_report report = {0};
    char kept[KEPT_MAX] = "";
    int err = store_repair(o, &report, kept, sizeof kept, e);

    if (err)
        return err;
    print_report(o->path, &report, report.first[0] ? "repaired" : "sound");
    if (kept[0])
        printf("%s: the damaged one is kept as %s\n", o->path, kept);
    return 0;
}

static int check_by_hand(const struct store_options *o, struct err *e)
{
    struct verify_report report = {0};
    int err = store_verify(o, &report, e);

    if (!err || err == ERR_CORRUPT)
        print_report(o->path, &report, err ? "damaged" : "sound");
    return err;
}

int repair_command(const char *file, bool repair)
{
    struct err e = {.text = ""};
    struct config *config = NULL;
    int err = config_load(&config, file, &daemon_kinds, &e), status = EXIT_CONFIG;

    if (!err) {
        struct store_options o = {.path = config->store_path, .map_bytes = config->store_map_bytes};

        err = repair ? repair_by_hand(&o, &e) : check_by_hand(&o, &e);
        status = status_of(err);
    }
    if (err == ERR_NOTFOUND && config)
        fprintf(stderr, "snmpalertd: %s: there is no store\n", config->store_path);
    else if (err)
        fprintf(stderr, "snmpalertd: %s\n", e.text[0] ? e.text : err_name(err));
    config_free(config);
    return status;
}
