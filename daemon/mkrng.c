/* Prints what derives from the tables of the configuration, at build time: the RELAX NG schema, or
 * with --man the manual page snmpalertd.xml(5). */
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "daemon/kinds.h"

enum { OUTPUT_MAX = 4 << 20 };

static const struct {
    const char *option;
    int (*print)(struct buf *out, const struct kinds *kinds);
} outputs[] = {
    {"--rng", config_rng},
    {"--man", config_man},
};

static int print(int (*make)(struct buf *, const struct kinds *))
{
    struct buf b;
    int err;

    buf_init(&b, OUTPUT_MAX);
    err = make(&b, &daemon_kinds);
    if (err)
        fprintf(stderr, "mkrng: %s\n", err_name(err));
    else if (fwrite(b.data, 1, b.len, stdout) != b.len || fflush(stdout) != 0)
        err = ERR_IO;
    buf_release(&b);
    return err ? 1 : 0;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof outputs / sizeof *outputs; i++)
        if (strcmp(argv[1], outputs[i].option) == 0)
            return print(outputs[i].print);
    fprintf(stderr, "usage: mkrng --rng | --man\n");
    return 2;
}
