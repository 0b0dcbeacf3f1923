#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <locale.h>

#include "cli/print.h"

/* A grid of two columns, printed. */
static void assert_grid(const char *const *cells, size_t n, size_t ncolumns, size_t width,
                        size_t cell, const char *wanted)
{
    struct buf out;
    struct grid g;

    buf_init(&out, 10000);
    grid_init(&g, ncolumns);
    for (size_t i = 0; i < n; i++)
        grid_add(&g, cells[i], strlen(cells[i]));
    grid_print(&g, width, cell, &out);
    assert_string_equal(buf_cstr(&out), wanted);
    grid_release(&g);
    buf_release(&out);
}

static void columns_are_aligned_by_what_a_terminal_shows(void **state)
{
    static const char *const cells[] = {"name", "x", "漢字ab", "1", "Größe", "22"};

    (void)state;
    assert_grid(cells, 6, 2, 0, 0, "name    x\n漢字ab  1\nGröße   22\n");
}

static void long_cells_are_cut_at_characters(void **state)
{
    static const char *const cells[] = {"a", "b", "漢字漢字漢字", "x"};

    (void)state;
    assert_grid(cells, 4, 2, 0, 8, "a         b\n漢字...   x\n");
}

static void the_widest_column_gives_way(void **state)
{
    static const char *const cells[] = {"abcdefghijklmnopqrstuvwxyz0123", "abcdefgh"};

    (void)state;
    assert_grid(cells, 2, 2, 36, 0, "abcdefghijklmnopqrstuvw...  abcdefgh\n");
    assert_grid(cells, 2, 2, 40, 0, "abcdefghijklmnopqrstuvwxyz0123  abcdefgh\n");
}

static void what_has_no_place_is_counted(void **state)
{
    static const char *const cells[] = {"abcdefgh", "ijklmnop", "qrstuvwx"};

    (void)state;
    assert_grid(cells, 3, 3, 18, 0,
                "abcdefgh  ijklmnop\n"
                "(columns left out, for want of room: 1; see --wide, --columns, --json)\n");
}

static void json_keeps_controls_from_the_terminal(void **state)
{
    char text[200] = "";
    FILE *f = tmpfile();

    (void)state;
    assert_non_null(f);
    assert_int_equal(print_json(jv_new_string("\x01\xc2\x9b\x7f\xc3\xa4", 6), f), 0);
    rewind(f);
    assert_non_null(fgets(text, sizeof(text), f));
    assert_string_equal(text, "\"\\u0001\\u009b\\u007fä\"\n");
    fclose(f);
}

static int with_utf8(void **state)
{
    (void)state;
    return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned_by_what_a_terminal_shows),
        cmocka_unit_test(long_cells_are_cut_at_characters),
        cmocka_unit_test(the_widest_column_gives_way),
        cmocka_unit_test(what_has_no_place_is_counted),
        cmocka_unit_test(json_keeps_controls_from_the_terminal),
    };

    return cmocka_run_group_tests(tests, with_utf8, NULL);
}
