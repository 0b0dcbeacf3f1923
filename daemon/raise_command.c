/* The client of the local door. It reads its standard input and the answers as they come: who feeds
 * it slowly has each answer at once, who feeds it fast has WINDOW lines under way. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alerts/raise_line.h"
#include "base/frame.h"
#include "base/json.h"
#include "config/config.h"
#include "daemon/door.h"
#include "daemon/kinds.h"

enum { USAGE = 64, WINDOW = DOOR_OPEN_MAX / 2, READ_MAX = 64 << 10 };

struct sender {
    int fd;
    unsigned open; /* lines without an answer */
    bool ended;    /* there are no more lines */
    bool failed;   /* not all were done, or what was could not be said */
    bool lost;     /* the daemon ended */
    char line[RAISE_LINE_MAX + 1];
    size_t len; /* of the line that is being read; what is too long is cut, and refused for that */
    struct buf answer;
};

/* ---- lines and answers ---- */

static void send_line(struct sender *x, const char *line, size_t len)
{
    if (x->lost)
        return;
    if (frame_write(x->fd, DOOR_RAISE, line, len))
        x->lost = true;
    else
        x->open++;
}

static void end_line(struct sender *x)
{
    if (strspn(x->line, " \t\r") < x->len) /* what is blank is none */
        send_line(x, x->line, x->len);
    x->len = 0;
    x->line[0] = 0;
}

static void take(struct sender *x, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n') {
            end_line(x);
        } else if (x->len < RAISE_LINE_MAX) {
            x->line[x->len++] = text[i];
            x->line[x->len] = 0;
        } else {
            x->line[RAISE_LINE_MAX] = text[i];
            x->len = RAISE_LINE_MAX + 1;
        }
    }
}

/* Not more than the window takes at once: a line has two octets or more, with its end. */
static void read_input(struct sender *x)
{
    static char text[READ_MAX];
    size_t room = (size_t)(WINDOW - x->open) * 2;
    ssize_t n = read(STDIN_FILENO, text, room < sizeof text ? room : sizeof text);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0) {
        take(x, text, (size_t)n);
        return;
    }
    x->ended = true;
    end_line(x);
}

static void read_answer(struct sender *x)
{
    static const char good[] = "{\"result\": \"done\"";
    uint16_t type;

    if (frame_read(x->fd, &type, &x->answer, 2 * RAISE_LINE_MAX) || type != DOOR_ANSWER) {
        x->lost = true;
        return;
    }
    x->open--;
    if (x->answer.len < sizeof good || memcmp(x->answer.data, good, sizeof good - 1))
        x->failed = true;
    if (printf("%.*s\n", (int)x->answer.len, (const char *)x->answer.data) < 0 || fflush(stdout))
        x->failed = true;
}

static void go_on(struct sender *x)
{
    while (!x->lost && (x->open || !x->ended)) {
        struct pollfd fds[] = {
            {.fd = x->fd, .events = POLLIN},
            {.fd = x->ended || x->open >= WINDOW ? -1 : STDIN_FILENO, .events = POLLIN},
        };

        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            x->lost = true;
            return;
        }
        if (fds[0].revents)
            read_answer(x);
        if (fds[1].revents)
            read_input(x);
    }
}

/* ---- one by options ---- */

static jv *value_of(const char *name, const char *text)
{
    char *end;
    long long n = strtoll(text, &end, 10);

    if (!strcmp(name, RAISE_LINE_TTL) && *text && !*end)
        return jv_new_int(n);
    return jv_new_string(text, strlen(text));
}

/* Names and values are the daemon's to judge. */
static int put_option(jv *o, const char *option)
{
    const char *equals = strchr(option, '=');
    char name[64];

    if (!equals || equals == option || equals - option >= (ptrdiff_t)sizeof name) {
        fprintf(stderr, "snmpalertd: '%s': expected NAME=VALUE\n", option);
        return USAGE;
    }
    snprintf(name, sizeof name, "%.*s", (int)(equals - option), option);
    return jv_set(o, name, value_of(name, equals + 1)) ? 1 : 0;
}

/* 0, or the exit status. */
static int take_options(struct sender *x, const struct raise_command *o)
{
    jv *line = jv_new_object();
    int status = line ? 0 : 1;
    struct buf b;

    for (int i = 0; i < o->noptions && !status; i++)
        status = put_option(line, o->options[i]);
    buf_init(&b, RAISE_LINE_MAX);
    if (!status) {
        jv_dump(line, &b);
        status = b.err ? 1 : 0;
    }
    if (!status)
        send_line(x, (const char *)b.data, b.len);
    x->ended = true;
    buf_release(&b);
    jv_free(line);
    return status;
}

/* ---- the command ---- */

static int open_door(const struct raise_command *o, int *ret_fd)
{
    struct err e = {.text = ""};
    struct config *config;
    int fd;

    if (confine_become(o->confine, STAGE_CORE, &e)) {
        fprintf(stderr, "snmpalertd: %s\n", e.text);
        return 1;
    }
    if (config_load(&config, o->config_file, &daemon_kinds, &e)) {
        fprintf(stderr, "snmpalertd: %s\n", e.text);
        return EXIT_CONFIG;
    }
    fd = door_connect(config->store_path, &e);
    config_free(config);
    if (fd < 0) {
        fprintf(stderr, "snmpalertd: no daemon is there: %s\n", e.text);
        return DOOR_CLOSED;
    }
    *ret_fd = fd;
    return 0;
}

int raise_command(const struct raise_command *o)
{
    struct sender x = {.open = 0};
    int status = open_door(o, &x.fd);

    if (status)
        return status;
    buf_init(&x.answer, 2 * RAISE_LINE_MAX);
    if (o->noptions)
        status = take_options(&x, o);
    if (!status)
        go_on(&x);
    if (x.lost)
        fprintf(stderr,
                "snmpalertd: the daemon ended: of the last %u commands it is not known whether "
                "they were done\n",
                x.open);
    buf_release(&x.answer);
    close(x.fd);
    return status ? status : x.lost ? DOOR_CLOSED : x.failed;
}
