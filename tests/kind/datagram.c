/* A kind of handler for the tests only, which proves HACKING's "A kind of handler": all of it is in
 * this file, its name is in a list (DISPATCH_MORE_KINDS, on the command line) and the file in a
 * Makefile.inc. A message is a UDP datagram, of which nobody knows whether it arrives. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dispatch/dispatch.h"
#include "dispatch/notice_text.h"
#include "snmp/resolve.h"

enum { DATAGRAM_MAX = 1024 };

/* ---- what it may be told ---- */

static const struct property properties[] = {
    {.name = "host",
     .type = PROPERTY_TEXT,
     .required = true,
     .target_may_override = true,
     .transport = true,
     .max = 64,
     .help = "Numeric address that datagrams go to."},
    {.name = "port",
     .type = PROPERTY_NUMBER,
     .min = 1,
     .max = 65535,
     .def = "9",
     .target_may_override = true,
     .transport = true,
     .help = "Port there."},
    {.name = "key", .type = PROPERTY_SECRET, .max = 64, .help = "What each datagram begins with."},
    {.name = "text",
     .type = PROPERTY_TEMPLATE,
     .place = TEMPLATE_LINE,
     .target_may_override = true,
     .help = "What it says; without it level, alert and message."},
};
enum { NPROPERTIES = sizeof properties / sizeof *properties };

static int check(const struct values *v, struct err *e)
{
    const char *host = values_text(v, properties, NPROPERTIES, "host");
    struct address a;

    return address_parse(&a, host, 9)
               ? 0
               : err_set(e, ERR_INVALID, "host: expected a numeric address, not '%s'", host);
}

const struct kind datagram_kind = {
    .class_ = KIND_HANDLER,
    .name = "datagram",
    .properties = properties,
    .nproperties = NPROPERTIES,
    .help = "A datagram for each message.",
    .check = check,
};

/* ---- what it does ---- */

struct datagram {
    struct service *service;
    int fds[2]; /* for IPv4 and IPv6 */
};

static int aim(const struct datagram *d, const struct job *j, struct address *ret, struct err *e)
{
    const char *host = service_text(d->service, j, "host");

    return address_parse(ret, host, (uint16_t)service_number(d->service, j, "port"))
               ? 0
               : err_set(e, ERR_INVALID, "%s is no numeric address", host);
}

static void fill(const struct datagram *d, const struct job *j, struct buf *b)
{
    const struct template *text = service_template(d->service, j, "text");

    buf_printf(b, "%s", service_text(d->service, j, "key"));
    if (text)
        notice_fill(text, j, b);
    else
        notice_subject(j, b);
}

static int send_it(const struct datagram *d, const struct job *j, struct err *e)
{
    struct address to;
    struct buf b;
    int err = aim(d, j, &to, e);

    if (err)
        return err;
    buf_init(&b, DATAGRAM_MAX);
    fill(d, j, &b);
    if (b.err)
        err = err_set(e, ERR_RANGE, "the message is longer than %d octets", DATAGRAM_MAX);
    else if (sendto(d->fds[to.storage.ss_family == AF_INET6], b.data, b.len, MSG_NOSIGNAL,
                    (struct sockaddr *)&to.storage, to.len) < 0)
        err = err_errno(e, "sending");
    buf_release(&b);
    return err;
}

static void drop(struct job *j)
{
    job_release(j);
    free(j);
}

static void datagram_deliver(void *state, struct job *j)
{
    struct datagram *d = state;
    struct outcome o = {.job = j->id, .result = OUTCOME_DELIVERED};
    struct err e;
    int err = send_it(d, j, &e);

    if (err == ERR_INVALID || err == ERR_RANGE) {
        o.result = OUTCOME_FAILED;
        memcpy(o.error, e.text, strnlen(e.text, sizeof o.error - 1));
    }
    o.confirmation = err ? CONFIRM_NONE : CONFIRM_HANDED_OFF;
    if (err && o.result == OUTCOME_DELIVERED)
        service_retry(d->service, j->id, e.text);
    else
        service_done(d->service, &o);
    drop(j);
}

static void datagram_validate(void *state, struct job *j)
{
    struct datagram *d = state;
    char text[ADDRESS_TEXT_MAX];
    struct address to;
    struct err e;
    int err = aim(d, j, &to, &e);

    if (!err)
        address_text(&to, text);
    service_checked(d->service, j->id, !err, err ? e.text : text);
    drop(j);
}

static void datagram_close(void *state)
{
    struct datagram *d = state;

    for (int i = 0; i < 2; i++) {
        if (d->fds[i] >= 0)
            close(d->fds[i]);
    }
    free(d);
}

static int datagram_open(struct service *s, void **ret_state, struct err *e)
{
    struct datagram *d = malloc(sizeof *d);

    if (!d)
        return err_set(e, ERR_NOMEM, "out of memory");
    *d = (struct datagram){s, {-1, -1}};
    for (int i = 0; i < 2; i++)
        d->fds[i] = socket(i ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->fds[0] < 0) {
        int err = err_errno(e, "socket");

        datagram_close(d);
        return err;
    }
    *ret_state = d;
    return 0;
}

const struct dispatch_kind dispatch_kind_datagram = {
    .kind = &datagram_kind,
    .open = datagram_open,
    .close = datagram_close,
    .deliver = datagram_deliver,
    .validate = datagram_validate,
};
