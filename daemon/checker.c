/* The checker: everything foreign in a configuration is parsed, and its scripts are compiled, in a
 * process that holds nothing and ends. */
#include "daemon/check.h"
#include "daemon/confile.h"
#include "daemon/kinds.h"
#include "daemon/stage.h"

static int check(const struct stage_context *c, struct err *e)
{
    struct config *config = NULL;
    int err = confile_parse(&config, c->config.file, c->config_fd, &daemon_kinds, e);

    if (!err)
        err = check_parsed(config, c->options->evaluator, c->options->unconfined, e);
    config_free(config);
    return err;
}

/* The answer fits into any socket's buffer, so that it is out when this returns. */
int checker_main(struct stage_context *c)
{
    struct err e = {.text = ""};
    int err = check(c, &e);

    if (err && !e.text[0])
        err_set(&e, err, "%s: cannot be checked: %s", c->config.file, err_name(err));
    stage_answer(c, STAGE_CHECKED, !err, e.text);
    return 0;
}
