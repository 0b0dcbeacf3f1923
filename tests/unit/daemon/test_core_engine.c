/* The daemon's SNMP engine: one id for a store, and boots that rise with each core, durably. */
#include "tests/unit/alerts/fixture.h"

#include <string.h>

#include "daemon/core.h"

static const struct sa_table *table(void)
{
    return sa_table_by_id(SA_SYSTEM);
}

static struct dispatch_engine next_core(struct world *w)
{
    struct core c = {.store = w->store};
    struct txn *t = begin(w);

    assert_int_equal(core_engine_resume(&c, t), 0);
    done(t);
    return c.engine;
}

static void put_cells(struct world *w, const char *id, int64_t boots)
{
    struct key k = key_of_scalars();
    struct txn *t = begin(w);
    struct edit d;

    edit_begin(&d, t, table(), &k);
    edit_text(&d, SYSTEM_ENGINE_ID, id, strlen(id));
    edit_int(&d, SYSTEM_ENGINE_BOOTS, boots);
    assert_int_equal(row_put(&d, NULL), 0);
    done(t);
}

static void boots_rise_and_the_id_stays(void **state)
{
    struct dispatch_engine first = next_core(*state), then;

    assert_int_equal(first.clock.boots, 1);
    assert_int_equal(first.id.len, 17);
    assert_int_equal(first.id.octets[0] & 0x80, 0x80);
    assert_int_equal(first.id.octets[4], 5);
    for (uint32_t boots = 2; boots < 5; boots++) {
        then = next_core(*state);
        assert_int_equal(then.clock.boots, boots);
        assert_true(engine_id_equal(&then.id, &first.id));
        assert_true(then.clock.started_mono_ms >= first.clock.started_mono_ms);
    }
}

/* A core that dies before its commit has shown its boots to nobody. */
static void what_is_not_committed_was_not(void **state)
{
    struct world *w = *state;
    struct core c = {.store = w->store};
    struct dispatch_engine first = next_core(w), then;
    struct txn *t = begin(w);

    assert_int_equal(core_engine_resume(&c, t), 0);
    txn_abort(t);
    then = next_core(w);
    assert_int_equal(then.clock.boots, first.clock.boots + 1);
}

static void stores_have_engines_of_their_own(void **state)
{
    struct dispatch_engine first = next_core(*state), other;
    struct world w;

    world_init(&w);
    other = next_core(&w);
    world_release(&w);
    assert_false(engine_id_equal(&first.id, &other.id));
}

static void an_engine_that_is_worn_out_is_replaced(void **state)
{
    static const int64_t worn[] = {USM_BOOTS_MAX, INT64_MAX, -7};

    for (size_t i = 0; i < COUNT(worn); i++) {
        struct dispatch_engine x;

        put_cells(*state, "abcdefgh", USM_BOOTS_MAX - 1);
        x = next_core(*state);
        assert_int_equal(x.clock.boots, USM_BOOTS_MAX);
        assert_int_equal(x.id.len, 8);
        put_cells(*state, "abcdefgh", worn[i]);
        x = next_core(*state);
        assert_int_equal(x.clock.boots, 1);
        assert_int_equal(x.id.len, 17);
    }
}

static void an_id_that_is_none_is_replaced(void **state)
{
    struct dispatch_engine x;

    put_cells(*state, "abcd", 7);
    x = next_core(*state);
    assert_int_equal(x.clock.boots, 1);
    assert_int_equal(x.id.len, 17);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(boots_rise_and_the_id_stays, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(what_is_not_committed_was_not, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(stores_have_engines_of_their_own, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(an_engine_that_is_worn_out_is_replaced, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(an_id_that_is_none_is_replaced, world_setup,
                                        world_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
