/* What parent and stages say to each other, and the configuration's text between them. */
#include "daemon/stage.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/confile.h"
#include "daemon/kinds.h"

/* Reads what B holds, whole, cut anywhere, and with an octet more. */
static void check_codec(struct buf *b, int (*read)(struct rd *r))
{
    struct rd r;

    assert_int_equal(b->err, 0);
    rd_init(&r, b->data, b->len);
    assert_int_equal(read(&r), 0);
    for (size_t n = 0; n < b->len; n++) {
        rd_init(&r, b->data, n);
        assert_int_not_equal(read(&r), 0);
    }
    buf_u8(b, 0);
    rd_init(&r, b->data, b->len);
    assert_int_not_equal(read(&r), 0);
    buf_release(b);
}

static struct stage_config config;
static struct stage_process process;
static struct stage_link link_read;
static bool accepted;
static char why[64];

static int read_config(struct rd *r)
{
    return stage_config_read(&config, r);
}

static int read_process(struct rd *r)
{
    return stage_process_read(&process, r);
}

static int read_link(struct rd *r)
{
    return stage_link_read(&link_read, r);
}

static int read_answer(struct rd *r)
{
    return stage_answer_read(r, &accepted, why, sizeof why);
}

static void frames_read_as_they_were_written(void **state)
{
    static struct stage_config c = {false, "/etc/a.xml", "a.xml:1: no"};
    struct stage_process p = {STAGE_AGENT, PROCESS_FAILED, 77, 5, "exit 1"};
    struct stage_link l = {STAGE_POLLER, 4711};
    struct buf b;

    (void)state;
    buf_init(&b, 65536);
    stage_config_write(&c, &b);
    check_codec(&b, read_config);
    assert_false(config.accepted);
    assert_string_equal(config.file, c.file);
    assert_string_equal(config.error, c.error);

    buf_init(&b, 65536);
    stage_process_write(&p, &b);
    check_codec(&b, read_process);
    assert_int_equal(process.stage, STAGE_AGENT);
    assert_int_equal(process.state, PROCESS_FAILED);
    assert_int_equal(process.pid, 77);
    assert_int_equal(process.starts, 5);
    assert_string_equal(process.last_exit, "exit 1");

    buf_init(&b, 65536);
    stage_link_write(&l, &b);
    check_codec(&b, read_link);
    assert_int_equal(link_read.peer, STAGE_POLLER);
    assert_int_equal(link_read.pid, 4711);

    buf_init(&b, 65536);
    buf_u8(&b, 1);
    buf_str(&b, "");
    check_codec(&b, read_answer);
    assert_true(accepted);
}

static void what_no_stage_says_is_refused(void **state)
{
    static struct stage_config c;
    struct stage_process p = {STAGE_CHECKER, PROCESS_RUNNING, 1, 1, ""};
    struct buf b;
    struct rd r;

    (void)state;
    buf_init(&b, 65536);
    stage_process_write(&p, &b); /* a checker is in no table */
    rd_init(&r, b.data, b.len);
    assert_int_not_equal(stage_process_read(&p, &r), 0);
    buf_clear(&b);
    stage_config_write(&c, &b);
    b.data[0] = 2;
    rd_init(&r, b.data, b.len);
    assert_int_not_equal(stage_config_read(&c, &r), 0);
    buf_clear(&b);
    buf_u8(&b, 2);
    buf_str(&b, "");
    rd_init(&r, b.data, b.len);
    assert_int_not_equal(read_answer(&r), 0);
    buf_release(&b);
}

static void names_are_found(void **state)
{
    (void)state;
    for (unsigned s = STAGE_CORE; s <= STAGE_CHECKER; s++)
        assert_int_equal(stage_by_name(stage_name((enum stage_id)s)), s);
    assert_int_equal(stage_by_name("?"), 0);
    assert_int_equal(stage_by_name(""), 0);
    assert_string_equal(stage_name((enum stage_id)0), "?");
}

/* ---- the configuration's text ---- */

static char folder[64], file[96];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/snmpalert-stage-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(file, sizeof file, "%s/a.xml", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    remove(file);
    return rmdir(folder);
}

static void write_file(const char *text)
{
    FILE *f = fopen(file, "w");

    assert_non_null(f);
    assert_int_not_equal(fputs(text, f), EOF);
    assert_int_equal(fclose(f), 0);
}

static void the_text_stays_what_it_was(void **state)
{
    static const char good[] = "<snmpalertd xmlns=\"urn:snmpalertd:config\">"
                               "<store path=\"/nowhere\"/></snmpalertd>";
    struct config *c = NULL;
    struct err e;
    int fd = -1;

    (void)state;
    write_file(good);
    assert_int_equal(confile_read(file, &fd, &e), 0);
    write_file("<no");
    for (unsigned i = 0; i < 2; i++) { /* also when it is asked again */
        assert_int_equal(confile_parse(&c, file, fd, &daemon_kinds, &e), 0);
        assert_string_equal(c->store_path, "/nowhere");
        assert_string_equal(c->file, file);
        config_free(c);
    }
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

static void what_is_wrong_with_it_names_the_file(void **state)
{
    struct config *c = NULL;
    struct err e;
    int fd = -1;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        write_file(i ? "<no" : "");
        assert_int_equal(confile_read(file, &fd, &e), 0);
        assert_int_not_equal(confile_parse(&c, file, fd, &daemon_kinds, &e), 0);
        assert_memory_equal(e.text, file, strlen(file));
        close(fd);
    }
}

static void no_file_is_said(void **state)
{
    struct err e;
    int fd = -1;

    (void)state;
    remove(file);
    assert_int_equal(confile_read(file, &fd, &e), ERR_NOTFOUND);
    assert_memory_equal(e.text, file, strlen(file));
    assert_int_equal(confile_read(folder, &fd, &e), ERR_INVALID);
    assert_int_equal(mkfifo(file, 0600), 0); /* which would never end */
    assert_int_equal(confile_read(file, &fd, &e), ERR_INVALID);
    remove(file);
    assert_int_equal(fd, -1);
}

static void too_large_is_refused(void **state)
{
    struct stat st;
    struct err e;
    int fd = -1;

    (void)state;
    write_file("");
    assert_int_equal(truncate(file, CONFIG_FILE_MAX), 0);
    assert_int_equal(confile_read(file, &fd, &e), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, CONFIG_FILE_MAX);
    close(fd);
    assert_int_equal(truncate(file, CONFIG_FILE_MAX + 1), 0);
    assert_int_equal(confile_read(file, &fd, &e), ERR_RANGE);
    assert_non_null(strstr(e.text, "larger than 16 MiB"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_read_as_they_were_written),
        cmocka_unit_test(what_no_stage_says_is_refused),
        cmocka_unit_test(names_are_found),
        cmocka_unit_test_setup_teardown(the_text_stays_what_it_was, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_is_wrong_with_it_names_the_file, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(no_file_is_said, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(too_large_is_refused, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
