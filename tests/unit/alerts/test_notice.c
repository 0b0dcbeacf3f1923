/* The notice queue: single stories first, then a random walk that is compared, after every step,
 * with a model that keeps its notices in an array and looks at all of them each time. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/notice.h"
#include "alerts/retention.h"

enum { NOW = 1000000 };

/* ---- shorthand ---- */

static struct notice_text text_about(uint32_t alert, enum sa_notice_kind kind, enum sa_level level)
{
    return (struct notice_text){
        .kind = kind,
        .notification = SA_ALERT_RAISED,
        .owner = "alice",
        .definition = "one",
        .service = "web",
        .instance = "",
        .value = "97",
        .message = "it is full",
        .alert = alert,
        .history = 7,
        .level = level,
        .previous_level = level == LEVEL_OK ? LEVEL_CRITICAL : LEVEL_OK,
        .at_ms = NOW - 1,
        .active_since_ms = NOW - 2,
    };
}

static struct route route_to(struct txn *t, const char *name)
{
    struct route r = {.n = 1};

    r.targets[0] = target_of(t, "alice", name);
    return r;
}

static void put_alert(struct txn *t, uint32_t alert)
{
    struct key k = key_of_id("alice", alert);

    if (!is_there(t, SA_ALERT, k))
        PUT(t, SA_ALERT, k, {ALERT_DEFINITION, 0, "one"});
}

/* Tells alice's target NAME; the new notice's id, 0 when there is none. */
static uint32_t tell(struct txn *t, const char *name, uint32_t alert, enum sa_notice_kind kind,
                     enum sa_level level, int64_t now_ms)
{
    static uint32_t last; /* ids are given in order, in each test's own store */
    struct route r = route_to(t, name);
    struct notice_text n = text_about(alert, kind, level);
    uint64_t before = table_count(t, sa_table_by_id(SA_NOTICE));

    if (alert)
        put_alert(t, alert);
    assert_int_equal(notice_tell(t, &r, &n, true, NULL, NULL, now_ms), 0);
    last = (uint32_t)table_count(t, sa_table_by_id(SA_NOTICE));
    return last > before ? last : 0;
}

static struct key notice_key(uint32_t id)
{
    return key_of_id("alice", id);
}

static int64_t notice_cell(struct txn *t, uint32_t id, unsigned column)
{
    return cell_of(t, SA_NOTICE, notice_key(id), column);
}

#define ASSERT_STATE(t, id, want) assert_int_equal(notice_cell(t, id, NOTICE_STATE), want)

/* Claims; the only notice's id, 0 when nothing is due. */
static uint32_t claim(struct txn *t, int64_t now_ms)
{
    struct notice_ref refs[NOTICE_BATCH_MAX];
    char uuid[UUID_TEXT_LEN + 1];
    size_t n;
    int err = notice_claim(t, now_ms, NULL, refs, &n, uuid);

    if (err == ERR_NOTFOUND)
        return 0;
    assert_int_equal(err, 0);
    assert_int_equal(n, 1);
    assert_string_equal(refs[0].owner, "alice");
    assert_string_equal(uuid, text_of(t, SA_NOTICE, notice_key(refs[0].id), NOTICE_UUID));
    return refs[0].id;
}

static enum sa_notice_state outcome(struct txn *t, uint32_t id, enum notice_end end,
                                    const char *error, int64_t now_ms)
{
    struct notice_ref ref = {"alice", id};
    enum sa_notice_state state = 0;

    assert_int_equal(
        notice_outcome(t, &ref, end, CONFIRM_ACKNOWLEDGED, error, NULL, 0, now_ms, &state), 0);
    return state;
}

static void deliver(struct txn *t, uint32_t id)
{
    assert_int_equal(outcome(t, id, NOTICE_END_DELIVERED, NULL, NOW), NOTICE_DELIVERED);
}

static void give_targets(struct world *w)
{
    struct txn *t = begin(w);

    put_target(t, "alice", "ops");
    put_target(t, "alice", "boss");
    take_in(t, 1);
    done(t);
}

static int setup(void **state)
{
    world_setup(state);
    give_targets(*state);
    return 0;
}

static void set_target(struct txn *t, const char *name, unsigned column, int64_t v)
{
    PUT(t, SA_TARGET, key_of_names("alice", name), {column, v, NULL});
}

static int64_t target_cell(struct txn *t, const char *name, unsigned column)
{
    return cell_of(t, SA_TARGET, key_of_names("alice", name), column);
}

/* ---- making ---- */

static void test_what_a_new_notice_holds(void **state)
{
    struct txn *t = begin(*state);
    struct key k = notice_key(1), first = k, second = k;

    PUT(t, SA_TARGET, key_of_names("alice", "ops"),
        {TARGET_RECIPIENTS, 0, "a@example.net, b@example.net"});
    assert_int_equal(tell(t, "ops", 5, KIND_RAISE, LEVEL_CRITICAL, NOW), 1);
    ASSERT_STATE(t, 1, NOTICE_PENDING);
    assert_int_equal(notice_cell(t, 1, NOTICE_ALERT), 5);
    assert_int_equal(notice_cell(t, 1, NOTICE_HISTORY), 7);
    assert_int_equal(notice_cell(t, 1, NOTICE_KIND), KIND_RAISE);
    assert_int_equal(notice_cell(t, 1, NOTICE_LEVEL), LEVEL_CRITICAL);
    assert_int_equal(notice_cell(t, 1, NOTICE_CREATED), NOW);
    assert_int_equal(notice_cell(t, 1, NOTICE_NEXT_ATTEMPT), NOW);
    assert_int_equal(notice_cell(t, 1, NOTICE_ATTEMPTS), 0);
    assert_int_equal(notice_cell(t, 1, NOTICE_TARGET_SEQUENCE), 0);
    assert_int_equal(notice_cell(t, 1, NOTICE_CONFIRMATION), CONFIRM_NONE);
    assert_string_equal(text_of(t, SA_NOTICE, k, NOTICE_TARGET), "ops");
    assert_string_equal(text_of(t, SA_NOTICE, k, NOTICE_HANDLER), "traps");
    assert_string_equal(text_of(t, SA_NOTICE, k, NOTICE_MESSAGE), "it is full");
    assert_int_equal(strlen(text_of(t, SA_NOTICE, k, NOTICE_UUID)), UUID_TEXT_LEN);
    key_u32(&first, 1);
    key_u32(&second, 2);
    assert_string_equal(text_of(t, SA_NOTICE_RECIPIENT, first, NOTICE_RECIPIENT_ADDRESS),
                        "a@example.net");
    assert_string_equal(text_of(t, SA_NOTICE_RECIPIENT, second, NOTICE_RECIPIENT_ADDRESS),
                        "b@example.net");
    assert_int_equal(cell_of(t, SA_NOTICE_RECIPIENT, first, NOTICE_RECIPIENT_STATE),
                     NOTICE_PENDING);
    assert_int_equal(table_count(t, sa_table_by_id(SA_NOTICE_RECIPIENT)), 2);
    assert_int_equal(target_cell(t, "ops", TARGET_PENDING), 1);
    assert_int_equal(target_cell(t, "boss", TARGET_PENDING), 0);
    assert_int_equal(notice_pending(t), 1);
    assert_int_equal(notice_next_due(t, NOTICE_ANY_WAY), NOW);
    done(t);
}

static void test_long_texts_are_cut_between_characters(void **state)
{
    struct txn *t = begin(*state);
    struct route r = route_to(t, "ops");
    struct notice_text n = text_about(5, KIND_RAISE, LEVEL_CRITICAL);
    char text[700];

    text[0] = 'x'; /* so that 255 octets end within a character */
    for (size_t i = 1; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa4", 3);
    n.message = n.value = n.instance = text;
    assert_int_equal(notice_tell(t, &r, &n, true, NULL, NULL, NOW), 0);
    assert_int_equal(strlen(text_of(t, SA_NOTICE, notice_key(1), NOTICE_MESSAGE)), 255);
    done(t);
}

/* ---- order ---- */

static void test_a_line_is_sent_in_order(void **state)
{
    struct txn *t = begin(*state);

    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 5, KIND_CHANGE, LEVEL_CRITICAL, NOW);
    tell(t, "ops", 5, KIND_CLEAR, LEVEL_OK, NOW);
    for (uint32_t id = 1; id <= 3; id++) {
        assert_int_equal(claim(t, NOW), id);
        assert_int_equal(claim(t, NOW), 0); /* the next one waits for its end */
        deliver(t, id);
    }
    assert_int_equal(claim(t, NOW), 0);
    assert_int_equal(notice_next_due(t, NOTICE_ANY_WAY), 0);
    assert_int_equal(notice_pending(t), 0);
    assert_int_equal(target_cell(t, "ops", TARGET_PENDING), 0);
    assert_int_equal(target_cell(t, "ops", TARGET_DELIVERED), 3);
    done(t);
}

static void test_a_retry_keeps_the_order(void **state)
{
    struct txn *t = begin(*state);
    int64_t due;

    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 5, KIND_CHANGE, LEVEL_CRITICAL, NOW);
    assert_int_equal(claim(t, NOW), 1);
    assert_int_equal(outcome(t, 1, NOTICE_END_RETRY, "busy", NOW), NOTICE_PENDING);
    due = notice_next_due(t, NOTICE_ANY_WAY);
    assert_int_equal(due, notice_cell(t, 1, NOTICE_NEXT_ATTEMPT));
    assert_true(due >= NOW + 4000 && due <= NOW + 6000);
    assert_int_equal(claim(t, due - 1), 0);
    assert_int_equal(claim(t, due), 1);
    assert_string_equal(text_of(t, SA_NOTICE, notice_key(1), NOTICE_LAST_ERROR), "busy");
    done(t);
}

/* A clock that is set moves what waits along: neither late nor given up. */
static void check_shift(struct txn *t, int64_t delta)
{
    int64_t due, now = NOW;

    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, now);
    tell(t, "ops", 5, KIND_CHANGE, LEVEL_CRITICAL, now); /* waits behind it */
    tell(t, "boss", 5, KIND_RAISE, LEVEL_WARNING, now);
    assert_int_equal(claim(t, now), 1);
    outcome(t, 1, NOTICE_END_RETRY, "busy", now);
    due = notice_cell(t, 1, NOTICE_NEXT_ATTEMPT);
    assert_int_equal(claim(t, now), 3); /* is on its way */
    assert_int_equal(notice_shift(t, delta), 3);
    now += delta;
    assert_int_equal(notice_cell(t, 1, NOTICE_NEXT_ATTEMPT), due + delta);
    assert_int_equal(notice_cell(t, 1, NOTICE_CREATED), now);
    assert_int_equal(notice_cell(t, 2, NOTICE_CREATED), now);
    assert_int_equal(notice_next_due(t, NOTICE_ANY_WAY), due + delta);
    assert_int_equal(claim(t, due + delta - 1), 0);
    assert_int_equal(claim(t, due + delta), 1);
    assert_int_equal(outcome(t, 1, NOTICE_END_RETRY, "busy", due + delta), NOTICE_PENDING);
    assert_int_equal(claim(t, notice_next_due(t, NOTICE_ANY_WAY)), 1);
    deliver(t, 1);
    assert_int_equal(claim(t, notice_next_due(t, NOTICE_ANY_WAY)), 2);
    deliver(t, 2);
    deliver(t, 3);
    assert_int_equal(notice_next_due(t, NOTICE_ANY_WAY), 0);
}

static void test_the_clock_is_set_ahead(void **state)
{
    struct txn *t = begin(*state);

    check_shift(t, INT64_C(10) * 365 * 86400 * 1000);
    done(t);
}

static void test_the_clock_is_set_back(void **state)
{
    struct txn *t = begin(*state);

    check_shift(t, -NOW / 2);
    done(t);
}

/* It was set back while nobody ran. */
static void test_recovery_from_a_future(void **state)
{
    struct txn *t = begin(*state);
    const int64_t future = NOW + INT64_C(10) * 365 * 86400 * 1000;

    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, future);
    assert_int_equal(claim(t, future), 1);
    outcome(t, 1, NOTICE_END_RETRY, "busy", future);
    tell(t, "boss", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 2);
    outcome(t, 2, NOTICE_END_RETRY, "busy", NOW);
    assert_int_equal(claim(t, NOW), 0);
    assert_int_equal(notice_recover(t, NOW), 2);
    assert_int_equal(notice_cell(t, 1, NOTICE_CREATED), NOW);
    assert_int_equal(claim(t, NOW), 1);
    assert_int_equal(claim(t, NOW), 0); /* but the other waits for its retry */
    done(t);
}

static void test_a_dead_target_delays_no_other(void **state)
{
    struct txn *t = begin(*state);

    for (uint32_t alert = 1; alert <= 20; alert++)
        tell(t, "ops", alert, KIND_RAISE, LEVEL_WARNING, NOW);
    for (uint32_t i = 1; i <= 20; i++) {
        assert_int_equal(claim(t, NOW), i);
        outcome(t, i, NOTICE_END_RETRY, "dead", NOW);
    }
    assert_int_equal(claim(t, NOW), 0);
    tell(t, "boss", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 21);
    deliver(t, 21);
    /* Nor does one alert of a target delay another. */
    tell(t, "ops", 99, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 22);
    done(t);
}

/* ---- what a target's match says ---- */

static void set_match(struct txn *t, const char *name)
{
    PUT(t, SA_TARGET, key_of_names("alice", name), {TARGET_MATCH, 0, "level == 'CRITICAL'"});
}

static void matched(struct txn *t, uint32_t id, enum notice_match answer, int64_t now_ms)
{
    struct notice_ref ref = {"alice", id};

    assert_int_equal(notice_matched(t, &ref, answer, "it is wrong", now_ms), 0);
}

/* The first that waits for an answer behind AFTER, 0: none. */
static uint32_t matching(struct txn *t, uint32_t after)
{
    struct notice_ref ref;

    if (!notice_matching(t, after, &ref))
        return 0;
    assert_string_equal(ref.owner, "alice");
    return ref.id;
}

static void test_a_match_holds_back_its_line_alone(void **state)
{
    struct txn *t = begin(*state);

    set_match(t, "ops");
    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 5, KIND_CHANGE, LEVEL_CRITICAL, NOW);
    tell(t, "boss", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 6, KIND_RAISE, LEVEL_CRITICAL, NOW);
    assert_int_equal(matching(t, 0), 1);
    assert_int_equal(matching(t, 1), 2);
    assert_int_equal(matching(t, 2), 4);
    assert_int_equal(claim(t, NOW), 3);
    assert_int_equal(claim(t, NOW), 0);
    matched(t, 4, MATCH_YES, NOW);
    assert_int_equal(claim(t, NOW), 4);
    matched(t, 2, MATCH_YES, NOW); /* before the one that it stands behind */
    assert_int_equal(claim(t, NOW), 0);
    matched(t, 1, MATCH_YES, NOW);
    assert_int_equal(claim(t, NOW), 1);
    deliver(t, 1);
    assert_int_equal(claim(t, NOW), 2);
    deliver(t, 2);
    assert_int_equal(notice_cell(t, 2, NOTICE_TARGET_SEQUENCE), 3);
    assert_int_equal(matching(t, 0), 0);
    /* The end is not asked about. */
    tell(t, "ops", 5, KIND_CLEAR, LEVEL_OK, NOW);
    assert_int_equal(matching(t, 0), 0);
    assert_int_equal(claim(t, NOW), 5);
    done(t);
}

static void test_what_a_match_refuses_leaves_nothing(void **state)
{
    struct txn *t = begin(*state);
    uint32_t incarnation = incarnation_of(t, "alice", "ops");

    PUT(t, SA_TARGET, key_of_names("alice", "ops"), {TARGET_RECIPIENTS, 0, "a@example.net"});
    set_match(t, "ops");
    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 5, KIND_CLEAR, LEVEL_OK, NOW); /* it is owed the problem as yet */
    matched(t, 1, MATCH_NO, NOW);
    assert_false(is_there(t, SA_NOTICE, notice_key(1)));
    assert_int_equal(table_count(t, sa_table_by_id(SA_NOTICE_RECIPIENT)), 1);
    ASSERT_STATE(t, 2, NOTICE_CANCELLED);
    assert_int_equal(claim(t, NOW + NOTICE_MATCH_MS), 0);
    assert_int_equal(target_cell(t, "ops", TARGET_PENDING), 0);
    assert_int_equal(notice_told(t, incarnation), 0);
    assert_int_equal(notice_pending(t), 0);
    /* Of the next problem it is told at its second step, and of that one's end. */
    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 5, KIND_CHANGE, LEVEL_CRITICAL, NOW);
    matched(t, 3, MATCH_NO, NOW);
    matched(t, 4, MATCH_YES, NOW);
    assert_int_equal(claim(t, NOW), 4);
    assert_int_equal(notice_cell(t, 4, NOTICE_TARGET_SEQUENCE), 1);
    deliver(t, 4);
    assert_int_equal(notice_told(t, incarnation), 1);
    tell(t, "ops", 5, KIND_CLEAR, LEVEL_OK, NOW);
    assert_int_equal(claim(t, NOW), 5);
    done(t);
}

static void test_a_match_without_an_answer_loses_nothing(void **state)
{
    struct txn *t = begin(*state);
    struct key ops = key_of_names("alice", "ops");

    set_match(t, "ops");
    for (uint32_t alert = 1; alert <= 3; alert++)
        tell(t, "ops", alert, KIND_RAISE, LEVEL_WARNING, NOW);
    matched(t, 1, MATCH_FAILED, NOW);
    assert_string_equal(text_of(t, SA_TARGET, ops, TARGET_MATCH_ERROR), "it is wrong");
    assert_int_equal(claim(t, NOW), 1);
    matched(t, 2, MATCH_YES, NOW);
    assert_string_equal(text_of(t, SA_TARGET, ops, TARGET_MATCH_ERROR), "");
    assert_int_equal(claim(t, NOW), 2);
    assert_int_equal(notice_next_due(t, NOTICE_ANY_WAY), NOW + NOTICE_MATCH_MS);
    assert_int_equal(claim(t, NOW + NOTICE_MATCH_MS - 1), 0);
    assert_int_equal(claim(t, NOW + NOTICE_MATCH_MS), 3);
    assert_string_equal(text_of(t, SA_TARGET, ops, TARGET_MATCH_ERROR), "no answer in time");
    matched(t, 3, MATCH_NO, NOW + NOTICE_MATCH_MS); /* too late */
    ASSERT_STATE(t, 3, NOTICE_DISPATCHED);
    assert_int_equal(matching(t, 0), 0);
    deliver(t, 3);
    done(t);
}

static void test_a_match_and_what_else_happens_to_a_notice(void **state)
{
    struct notice_ref ref = {"alice", 1}, refs[NOTICE_BATCH_MAX];
    struct txn *t = begin(*state);
    char uuid[UUID_TEXT_LEN + 1];
    bool back;
    size_t n;

    set_match(t, "ops");
    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    /* Cancelled by a manager, and sent again: whatever is answered then. */
    PUT(t, SA_NOTICE, notice_key(1), {NOTICE_ACTION, ACTION_CANCEL, NULL});
    assert_int_equal(notice_act(t, &ref, NOW, &back), 0);
    ASSERT_STATE(t, 1, NOTICE_CANCELLED);
    PUT(t, SA_NOTICE, notice_key(1), {NOTICE_ACTION, ACTION_RESEND, NULL});
    assert_int_equal(notice_act(t, &ref, NOW, &back), 0);
    matched(t, 1, MATCH_NO, NOW);
    assert_int_equal(claim(t, NOW), 1);
    deliver(t, 1);
    /* A digest does not take along what waits for its answer, and that keeps its digest's time. */
    set_target(t, "ops", TARGET_DIGEST, 1000);
    tell(t, "ops", 2, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 3, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 4, KIND_RAISE, LEVEL_WARNING, NOW);
    matched(t, 2, MATCH_YES, NOW);
    matched(t, 4, MATCH_YES, NOW);
    assert_int_equal(notice_next_due(t, NOTICE_ANY_WAY), NOW + 1000);
    assert_int_equal(notice_claim(t, NOW + 1000, NULL, refs, &n, uuid), 0);
    assert_int_equal(n, 2);
    ASSERT_STATE(t, 3, NOTICE_PENDING);
    /* The clock is set back by far meanwhile. */
    assert_true(notice_shift(t, -NOW / 2) > 0);
    matched(t, 3, MATCH_YES, NOW / 2);
    assert_int_equal(notice_cell(t, 3, NOTICE_NEXT_ATTEMPT), NOW / 2 + 1000);
    done(t);
}

/* ---- claiming ---- */

static void test_what_a_claim_marks(void **state)
{
    struct txn *t = begin(*state);
    char uuid[UUID_TEXT_LEN + 1];
    int64_t due;

    for (uint32_t alert = 1; alert <= 3; alert++)
        tell(t, "ops", alert, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "boss", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    for (uint32_t i = 1; i <= 4; i++)
        assert_int_equal(claim(t, NOW + 5), i);
    for (uint32_t i = 1; i <= 4; i++) {
        ASSERT_STATE(t, i, NOTICE_DISPATCHED);
        assert_int_equal(notice_cell(t, i, NOTICE_ATTEMPTS), 1);
        assert_int_equal(notice_cell(t, i, NOTICE_NEXT_ATTEMPT), NOW + 5 + NOTICE_LEASE_MS);
        assert_int_equal(notice_cell(t, i, NOTICE_TARGET_SEQUENCE), i == 4 ? 1 : i);
    }
    /* A second attempt keeps its sequence; the next notice gets the next. */
    snprintf(uuid, sizeof uuid, "%s", text_of(t, SA_NOTICE, notice_key(2), NOTICE_UUID));
    outcome(t, 2, NOTICE_END_RETRY, "busy", NOW + 5);
    due = notice_next_due(t, NOTICE_ANY_WAY);
    assert_int_equal(claim(t, due), 2);
    assert_int_equal(notice_cell(t, 2, NOTICE_ATTEMPTS), 2);
    assert_int_equal(notice_cell(t, 2, NOTICE_TARGET_SEQUENCE), 2);
    assert_string_equal(text_of(t, SA_NOTICE, notice_key(2), NOTICE_UUID), uuid);
    tell(t, "ops", 4, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, due), 5);
    assert_int_equal(notice_cell(t, 5, NOTICE_TARGET_SEQUENCE), 4);
    done(t);
}

static void test_an_outcome_that_never_comes_sends_it_again(void **state)
{
    struct txn *t = begin(*state);

    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 1);
    assert_int_equal(claim(t, NOW + NOTICE_LEASE_MS - 1), 0);
    assert_int_equal(claim(t, NOW + NOTICE_LEASE_MS), 1);
    assert_int_equal(notice_cell(t, 1, NOTICE_ATTEMPTS), 2);
    deliver(t, 1);
    /* The first attempt's outcome, late: it is finished already. */
    assert_int_equal(outcome(t, 1, NOTICE_END_FAILED, "late", NOW), NOTICE_DELIVERED);
    ASSERT_STATE(t, 1, NOTICE_DELIVERED);
    assert_int_equal(target_cell(t, "ops", TARGET_FAILED), 0);
    done(t);
}

static void test_outcomes_of_unknown_notices_are_ignored(void **state)
{
    struct txn *t = begin(*state);
    struct notice_ref ref = {"alice", 77};
    struct notice_recipient r = {"a@example.net", NOTICE_DELIVERED, "250 ok"};
    enum sa_notice_state s = NOTICE_SUPPRESSED;

    assert_int_equal(
        notice_outcome(t, &ref, NOTICE_END_DELIVERED, CONFIRM_NONE, NULL, &r, 1, NOW, &s), 0);
    assert_int_equal(s, NOTICE_SUPPRESSED);
    assert_int_equal(notice_release(t, &ref, NOW), 0);
    done(t);
}

/* ---- retry ---- */

/* A queue that is not what its notices say would be sent from for ever. */
static void test_a_due_time_that_no_notice_has_is_damage(void **state)
{
    struct txn *t = begin(*state);
    struct notice_ref refs[NOTICE_BATCH_MAX];
    uint8_t entry[20] = {0}; /* at 0, its line and its number */
    char uuid[UUID_TEXT_LEN + 1];
    size_t n;

    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    put_u32(entry + 8, (uint32_t)notice_cell(t, 1, NOTICE_INCARNATION));
    put_u32(entry + 12, 1);
    put_u32(entry + 16, 1);
    kv_put(t, "due", (struct slice){entry, sizeof entry}, (struct slice){(uint8_t *)"alice", 5});
    assert_int_equal(notice_claim(t, NOW, NULL, refs, &n, uuid), ERR_CORRUPT);
    txn_abort(t);
}

static void test_retry_delays(void **state)
{
    static const int64_t seconds[] = {5, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900};

    (void)state;
    for (uint32_t attempts = 0; attempts < COUNT(seconds); attempts++) {
        int64_t ms = seconds[attempts] * 1000, least = INT64_MAX, most = 0;

        for (uint32_t random = 0; random < 401; random++) {
            int64_t d = notice_retry_ms(attempts, random);

            least = d < least ? d : least;
            most = d > most ? d : most;
        }
        assert_int_equal(least, ms * 8 / 10);
        assert_int_equal(most, ms * 12 / 10);
    }
    assert_true(notice_retry_ms(UINT32_MAX, UINT32_MAX) <= NOTICE_RETRY_MOST_MS * 12 / 10);
}

static int64_t next_attempt(struct txn *t, uint32_t id)
{
    return notice_cell(t, id, NOTICE_NEXT_ATTEMPT);
}

/* What a receiver asks for puts the next attempt off, by 15 minutes at most, and never brings it
 * forward; what waits behind it goes on waiting. */
static void test_a_receiver_may_ask_for_a_pause(void **state)
{
    struct notice_ref ref = {"alice", 1};
    struct txn *t = begin(*state);
    int64_t own;

    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 1, KIND_CLEAR, LEVEL_OK, NOW);
    assert_int_equal(claim(t, NOW), 1);
    outcome(t, 1, NOTICE_END_RETRY, "busy", NOW);
    own = next_attempt(t, 1);
    assert_int_equal(notice_defer(t, &ref, 1000, NOW), 0);
    assert_int_equal(next_attempt(t, 1), own);
    assert_int_equal(notice_defer(t, &ref, 120000, NOW), 0);
    assert_int_equal(next_attempt(t, 1), NOW + 120000);
    assert_int_equal(notice_cell(t, 1, NOTICE_ATTEMPTS), 1);
    assert_string_equal(text_of(t, SA_NOTICE, notice_key(1), NOTICE_LAST_ERROR), "busy");
    assert_int_equal(claim(t, NOW + 119999), 0);
    assert_int_equal(claim(t, NOW + 120000), 1);
    assert_int_equal(notice_defer(t, &ref, INT64_MAX, NOW), 0); /* it is under way */
    ASSERT_STATE(t, 1, NOTICE_DISPATCHED);
    outcome(t, 1, NOTICE_END_RETRY, "busy", NOW);
    assert_int_equal(notice_defer(t, &ref, INT64_MAX, NOW), 0);
    assert_int_equal(next_attempt(t, 1), NOW + NOTICE_RETRY_MOST_MS);
    assert_int_equal(claim(t, NOW + NOTICE_RETRY_MOST_MS), 1);
    deliver(t, 1);
    assert_int_equal(notice_defer(t, &ref, 120000, NOW), 0);
    ASSERT_STATE(t, 1, NOTICE_DELIVERED);
    assert_int_equal(claim(t, NOW), 2);
    assert_int_equal(notice_defer(t, &(struct notice_ref){"alice", 99}, 120000, NOW), 0);
    done(t);
}

static void test_given_up_after_a_day(void **state)
{
    struct txn *t = begin(*state);
    int64_t now = NOW, left;
    unsigned attempts = 0;

    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    do {
        left = NOW + NOTICE_GIVE_UP_MS - now;
        assert_int_equal(claim(t, now), 1);
        assert_int_equal(notice_cell(t, 1, NOTICE_ATTEMPTS), ++attempts);
        outcome(t, 1, NOTICE_END_RETRY, "no route to host", now);
        if (left > 0) {
            ASSERT_STATE(t, 1, NOTICE_PENDING);
            assert_string_equal(
                text_of(t, SA_TARGET, key_of_names("alice", "ops"), TARGET_LAST_ERROR),
                "no route to host");
            now = notice_next_due(t, NOTICE_ANY_WAY);
        }
    } while (left > 0);
    assert_true(attempts > 80 && attempts < 130); /* a quarter of an hour each, but the first */
    ASSERT_STATE(t, 1, NOTICE_FAILED);
    assert_int_equal(notice_cell(t, 1, NOTICE_FINISHED), now);
    assert_int_equal(notice_cell(t, 1, NOTICE_NEXT_ATTEMPT), 0);
    assert_int_equal(target_cell(t, "ops", TARGET_FAILED), 1);
    assert_int_equal(target_cell(t, "ops", TARGET_PENDING), 0);
    assert_int_equal(notice_next_due(t, NOTICE_ANY_WAY), 0);
    /* Once it works again, there is no last error. */
    tell(t, "ops", 2, KIND_RAISE, LEVEL_WARNING, now);
    assert_int_equal(claim(t, now), 2);
    deliver(t, 2);
    assert_string_equal(text_of(t, SA_TARGET, key_of_names("alice", "ops"), TARGET_LAST_ERROR), "");
    assert_int_equal(notice_cell(t, 2, NOTICE_CONFIRMATION), CONFIRM_ACKNOWLEDGED);
    done(t);
}

/* ---- tests of targets ---- */

static void expect_result(struct txn *t, int64_t notice, int64_t checked, const char *words)
{
    struct key ops = key_of_names("alice", "ops");

    assert_int_equal(target_cell(t, "ops", TARGET_TEST_NOTICE), notice);
    assert_int_equal(target_cell(t, "ops", TARGET_CHECKED), checked);
    assert_string_equal(text_of(t, SA_TARGET, ops, TARGET_CHECK_MESSAGE), words);
}

static uint32_t test_ops(struct txn *t)
{
    struct route_target to = target_of(t, "alice", "ops");
    struct notice_text n = text_about(0, KIND_TEST, LEVEL_OK);

    assert_int_equal(notice_create(t, &to, &n, 0, NOW), 0);
    return (uint32_t)table_count(t, sa_table_by_id(SA_NOTICE));
}

static void test_what_a_test_came_to_is_in_its_target(void **state)
{
    struct txn *t = begin(*state);
    int64_t next;

    expect_result(t, 0, 0, "");
    assert_int_equal(test_ops(t), 1);
    expect_result(t, 1, 0, "");
    assert_int_equal(claim(t, NOW), 1);
    deliver(t, 1);
    expect_result(t, 0, CHECK_SUCCEEDED, "the test was delivered");
    assert_int_equal(target_cell(t, "ops", TARGET_CHECK_TIME), NOW);
    test_ops(t);
    assert_int_equal(claim(t, NOW), 2);
    outcome(t, 2, NOTICE_END_RETRY, "no route to host", NOW);
    expect_result(t, 2, CHECK_SUCCEEDED, "the test was delivered"); /* still of the first */
    next = notice_next_due(t, NOTICE_ANY_WAY);
    assert_int_equal(claim(t, next), 2);
    outcome(t, 2, NOTICE_END_FAILED, "550 nobody", next);
    expect_result(t, 0, CHECK_FAILED, "550 nobody");
    /* An alert's notice is none, and of two tests the last is the one that counts. */
    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, next);
    expect_result(t, 0, CHECK_FAILED, "550 nobody");
    assert_int_equal(test_ops(t), 4);
    assert_int_equal(test_ops(t), 5);
    expect_result(t, 5, CHECK_FAILED, "550 nobody");
    done(t);
}

static void test_a_test_that_is_cancelled_has_ended(void **state)
{
    struct txn *t = begin(*state);

    test_ops(t);
    set_target(t, "ops", TARGET_ENABLED, TRUTH_FALSE);
    assert_int_equal(claim(t, NOW), 0);
    ASSERT_STATE(t, 1, NOTICE_CANCELLED);
    assert_int_equal(target_cell(t, "ops", TARGET_TEST_NOTICE), 0);
    assert_int_equal(target_cell(t, "ops", TARGET_CHECKED), CHECK_FAILED);
    done(t);
}

/* ---- restarts ---- */

static void test_a_restart_sends_what_was_on_its_way(void **state)
{
    struct txn *t = begin(*state);

    for (uint32_t alert = 1; alert <= 3; alert++)
        tell(t, "ops", alert, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 1, KIND_CLEAR, LEVEL_OK, NOW);
    assert_int_equal(claim(t, NOW), 1);
    assert_int_equal(claim(t, NOW), 2);
    deliver(t, 2);
    assert_true(notice_recover(t, NOW + 9) >= 0);
    ASSERT_STATE(t, 1, NOTICE_PENDING);
    ASSERT_STATE(t, 2, NOTICE_DELIVERED);
    assert_int_equal(notice_cell(t, 1, NOTICE_ATTEMPTS), 0);
    assert_int_equal(notice_cell(t, 1, NOTICE_NEXT_ATTEMPT), NOW + 9);
    assert_int_equal(claim(t, NOW + 9), 3);
    assert_int_equal(claim(t, NOW + 9), 1); /* and its recovery waits behind it */
    assert_int_equal(claim(t, NOW + 9), 0);
    assert_int_equal(notice_cell(t, 1, NOTICE_TARGET_SEQUENCE), 1);
    done(t);
}

static void test_release_counts_no_attempt(void **state)
{
    struct txn *t = begin(*state);
    struct notice_ref ref = {"alice", 1};

    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 1);
    assert_int_equal(notice_release(t, &ref, NOW + 1), 0);
    assert_int_equal(notice_cell(t, 1, NOTICE_ATTEMPTS), 0);
    assert_int_equal(claim(t, NOW + 1), 1);
    deliver(t, 1);
    assert_int_equal(notice_release(t, &ref, NOW + 1), 0);
    ASSERT_STATE(t, 1, NOTICE_DELIVERED);
    done(t);
}

/* ---- cancelling ---- */

static void test_notices_of_targets_out_of_force_are_cancelled(void **state)
{
    static const struct {
        const char *what;
        unsigned column;
        int64_t value;
    } cases[] = {{"disabled", TARGET_ENABLED, TRUTH_FALSE},
                 {"not in service", TARGET_STATUS, ROW_NOT_IN_SERVICE},
                 {"deleted", 0, 0},
                 {"made again", 0, 1}};
    struct txn *t = begin(*state);
    struct key ops = key_of_names("alice", "ops");
    uint32_t id = 0;

    for (size_t i = 0; i < COUNT(cases); i++) {
        print_message("%s\n", cases[i].what);
        tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
        tell(t, "ops", 1, KIND_CLEAR, LEVEL_OK, NOW);
        tell(t, "boss", 1, KIND_RAISE, LEVEL_WARNING, NOW);
        id += 3;
        if (cases[i].column)
            PUT(t, SA_TARGET, ops, {cases[i].column, cases[i].value, NULL});
        else
            drop_row(t, SA_TARGET, ops);
        if (cases[i].value == 1)
            put_target(t, "alice", "ops");
        take_in(t, 1);
        assert_int_equal(claim(t, NOW), id);
        deliver(t, id);
        assert_int_equal(claim(t, NOW), 0);
        ASSERT_STATE(t, id - 2, NOTICE_CANCELLED);
        ASSERT_STATE(t, id - 1, NOTICE_CANCELLED);
        assert_int_equal(notice_pending(t), 0);
        if (!is_there(t, SA_TARGET, ops))
            put_target(t, "alice", "ops");
        PUT(t, SA_TARGET, ops, {TARGET_ENABLED, TRUTH_TRUE, NULL},
            {TARGET_STATUS, ROW_ACTIVE, NULL});
        take_in(t, 1);
        assert_int_equal(target_cell(t, "ops", TARGET_PENDING), 0);
    }
    done(t);
}

static void test_a_target_made_again_is_told_nothing_old(void **state)
{
    struct txn *t = begin(*state);

    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 1);
    deliver(t, 1);
    drop_row(t, SA_TARGET, key_of_names("alice", "ops"));
    put_target(t, "alice", "ops");
    take_in(t, 1);
    assert_int_equal(tell(t, "ops", 1, KIND_CLEAR, LEVEL_OK, NOW), 0);
    assert_int_equal(target_cell(t, "ops", TARGET_SEQUENCE), 0);
    done(t);
}

/* ---- told ---- */

/* What happens, a letter each: R raise (warning), U change up (critical), C clear; d the oldest
 * notice is delivered, f it fails, x it is cancelled; o a clear that notifyRecovery forbids;
 * F forget; G the alert is gone. After each story, the states of all its notices in order. */
struct story {
    const char *name, *steps, *want; /* p pending, d delivered, f failed, x cancelled */
    int64_t states;                  /* of the target */
    enum sa_level least;             /* its minLevel; 0: as it comes */
};

enum { ONLY_CRITICAL = 1 << 3, NOT_OK = 0x1e, NOT_WARNING = 0x1b };

static const struct story stories[] = {
    {"a told problem gets its recovery", "RdCd", "dd", 0, 0},
    {"an owed problem gets its recovery", "RC", "pp", 0, 0},
    {"an OK that nobody was told of", "C", "", 0, 0},
    {"told twice, cleared once", "RdUdCd", "ddd", 0, 0},
    {"the clear is told once", "RdCdC", "dd", 0, 0},
    {"the only problem failed: its recovery goes with it", "RCf", "fx", 0, 0},
    {"the only problem was cancelled: its recovery goes with it", "RCx", "xx", 0, 0},
    {"one of two problems failed", "RUCf", "fpp", 0, 0},
    {"both problems failed", "RUCff", "ffx", 0, 0},
    {"the first was told, the second failed", "RUCdf", "dfp", 0, 0},
    {"failed before the recovery: none is made", "RfC", "f", 0, 0},
    {"failed, then a change that is told", "RfUdC", "fdp", 0, 0},
    {"the recovery of a failed problem, behind which another one waits", "RCRCf", "fxpp", 0, 0},
    {"two episodes, both told", "RCRCdddd", "dddd", 0, 0},
    {"two episodes, both failed", "RCRCff", "fxfx", 0, 0},
    {"a failed recovery is still owed", "RdCfRfC", "dffp", 0, 0},
    {"a level that the target does not want", "RC", "", ONLY_CRITICAL, 0},
    {"only the wanted level; OK is none of them", "RUdC", "d", ONLY_CRITICAL, 0},
    {"a target that wants no OK", "RdC", "d", NOT_OK, 0},
    {"... and is not told of one later, either", "RdCUdC", "dd", NOT_OK, 0},
    {"the recovery of a level that it wants", "RUdCd", "dd", NOT_WARNING, 0},
    {"notifyRecovery false", "Rdo", "d", 0, 0},
    {"notifyRecovery false does not remember for ever", "RdoRfC", "df", 0, 0},
    {"forgotten: nobody is owed a recovery", "RdFC", "d", 0, 0},
    {"forgotten on its way: not remembered when it arrives", "RFdC", "d", 0, 0},
    {"... nor taken for the next problem, which is told", "RFRddC", "ddp", 0, 0},
    {"... which is owed", "RFRfC", "fpp", 0, 0},
    {"... which failed", "RFRdCf", "dfx", 0, 0},
    {"gone with its recovery failed", "RdCfGC", "df", 0, 0},
    {"gone while its problem is on its way, which fails", "RCGf", "fx", 0, 0},
    {"gone, and then the recovery fails", "RdCGf", "df", 0, 0},
    {"gone, and then the recovery is cancelled", "RdCGx", "dx", 0, 0},
    {"gone, then its problem is told and the recovery fails", "RCGdf", "df", 0, 0},
    {"a recovery that is forbidden while its problem is on its way", "RodC", "d", 0, 0},
    {"below the level that it wants", "RC", "", 0, LEVEL_CRITICAL},
    {"at that level, and over", "RUdCd", "dd", 0, LEVEL_CRITICAL},
    {"at that level, then below it, and over", "UdRCd", "dd", 0, LEVEL_CRITICAL},
    {"at that level, and it wants no OK", "UdC", "d", NOT_OK, LEVEL_CRITICAL},
};

static void story_step(struct txn *t, char step, uint32_t *made, uint32_t *oldest)
{
    struct notice_text n = text_about(5, KIND_CLEAR, LEVEL_OK);
    struct route r = route_to(t, "ops");

    switch (step) {
    case 'R':
        *made += tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, NOW) != 0;
        break;
    case 'U':
        *made += tell(t, "ops", 5, KIND_CHANGE, LEVEL_CRITICAL, NOW) != 0;
        break;
    case 'C':
        *made += tell(t, "ops", 5, KIND_CLEAR, LEVEL_OK, NOW) != 0;
        break;
    case 'o':
        assert_int_equal(notice_tell(t, &r, &n, false, NULL, NULL, NOW), 0);
        break;
    case 'F':
        assert_int_equal(notice_forget(t, 5), 0);
        break;
    case 'G':
        assert_int_equal(notice_alert_gone(t, 5), 0);
        drop_row(t, SA_ALERT, key_of_id("alice", 5));
        break;
    default:
        *oldest = claim(t, NOW);
        assert_int_not_equal(*oldest, 0);
        outcome(t, *oldest,
                step == 'd'   ? NOTICE_END_DELIVERED
                : step == 'f' ? NOTICE_END_FAILED
                              : NOTICE_END_CANCELLED,
                "no", NOW);
    }
}

static void test_who_is_told(void **state)
{
    static const char letters[] = {[NOTICE_PENDING] = 'p',
                                   [NOTICE_DELIVERED] = 'd',
                                   [NOTICE_FAILED] = 'f',
                                   [NOTICE_CANCELLED] = 'x'};

    for (size_t i = 0; i < COUNT(stories); i++) {
        const struct story *s = &stories[i];
        struct txn *t = begin(*state);
        uint32_t made = 0, oldest = 0;
        char got[16] = "";

        print_message("%s\n", s->name);
        set_target(t, "ops", TARGET_STATES, s->states);
        if (s->least)
            set_target(t, "ops", TARGET_MIN_LEVEL, s->least);
        for (const char *p = s->steps; *p; p++)
            story_step(t, *p, &made, &oldest);
        for (uint32_t id = 1; id <= made; id++)
            got[id - 1] = letters[notice_cell(t, id, NOTICE_STATE)];
        assert_string_equal(got, s->want);
        if (strchr(s->steps, 'G') && !strchr(got, 'p')) /* nobody remembers it for ever */
            assert_int_equal(kv_count(t, "told"), 0);
        txn_abort(t);
    }
}

static void raise_and_deliver(struct txn *t, const char *name, uint32_t alert, int64_t now_ms)
{
    uint32_t id = tell(t, name, alert, KIND_RAISE, LEVEL_WARNING, now_ms);

    assert_int_equal(claim(t, now_ms), id);
    deliver(t, id);
}

static uint32_t told_of(struct txn *t, const char *name)
{
    return notice_told(t, incarnation_of(t, "alice", name));
}

static void test_what_is_told_is_counted(void **state)
{
    struct txn *t = begin(*state);
    uint32_t was, id;

    for (uint32_t alert = 1; alert <= 3; alert++)
        raise_and_deliver(t, "ops", alert, NOW);
    raise_and_deliver(t, "boss", 1, NOW);
    assert_int_equal(told_of(t, "ops"), 3);
    assert_int_equal(told_of(t, "boss"), 1);
    id = tell(t, "ops", 1, KIND_CHANGE, LEVEL_CRITICAL, NOW); /* the same alert, once */
    assert_int_equal(claim(t, NOW), id);
    deliver(t, id);
    id = tell(t, "ops", 2, KIND_CLEAR, LEVEL_OK, NOW);
    assert_int_equal(told_of(t, "ops"), 3); /* the end is still on its way */
    assert_int_equal(claim(t, NOW), id);
    deliver(t, id);
    assert_int_equal(notice_forget(t, 3), 0);
    assert_int_equal(told_of(t, "ops"), 1);
    was = incarnation_of(t, "alice", "ops");
    drop_row(t, SA_TARGET, key_of_names("alice", "ops"));
    put_target(t, "alice", "ops");
    take_in(t, 1);
    assert_int_equal(told_of(t, "ops"), 0); /* made again it knows of nothing */
    assert_int_equal(notice_told(t, was), 1);
    tell(t, "boss", 1, KIND_CLEAR, LEVEL_OK, NOW);
    assert_int_equal(notice_told(t, was), 0); /* until the problem is over */
    done(t);
}

/* An earlier version did not count. */
static void test_a_start_counts_what_was_told_before(void **state)
{
    struct txn *t = begin(*state);

    for (uint32_t alert = 1; alert <= 3; alert++)
        raise_and_deliver(t, "ops", alert, NOW);
    tell(t, "ops", 4, KIND_RAISE, LEVEL_WARNING, NOW); /* owed, but not told */
    assert_int_equal(kv_clear(t, "toldCount"), 0);
    assert_int_equal(told_of(t, "ops"), 0);
    assert_int_equal(notice_recover(t, NOW), 1);
    assert_int_equal(told_of(t, "ops"), 3);
    done(t);
}

/* ---- recipients ---- */

static int note_address(void *arg, const char *address)
{
    char *text = arg;

    strcat(text, address);
    strcat(text, "|");
    return 0;
}

static void test_recipients_are_divided_by_commas_or_blanks(void **state)
{
    static const struct {
        const char *text, *want;
        int n;
    } cases[] = {
        {"", "", 0},
        {"a", "a|", 1},
        {" , \t\r\n;", "", 0},
        {"a,b", "a|b|", 2},
        {"a b", "a|b|", 2},
        {"  a ,, b;c\n", "a|b|c|", 3},
        {"a\xc3\xa4@b", "a\xc3\xa4@b|", 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char got[64] = "";

        assert_int_equal(recipients_each(cases[i].text, strlen(cases[i].text), note_address, got),
                         cases[i].n);
        assert_string_equal(got, cases[i].want);
    }
}

static void test_recipients_have_limits(void **state)
{
    char many[65 * 2 + 1] = "", octets[257];

    (void)state;
    for (int i = 0; i < 64; i++)
        strcat(many, "a ");
    assert_int_equal(recipients_each(many, strlen(many), NULL, NULL), 64);
    strcat(many, "a");
    assert_int_equal(recipients_each(many, strlen(many), NULL, NULL), ERR_RANGE);
    memset(octets, 'x', sizeof octets);
    assert_int_equal(recipients_each(octets, 255, NULL, NULL), 1);
    assert_int_equal(recipients_each(octets, 256, NULL, NULL), ERR_RANGE);
    octets[10] = 0; /* no terminator is looked for, and none ends it */
    assert_int_equal(recipients_each(octets, 20, NULL, NULL), 2);
    assert_int_equal(recipients_each(NULL, 0, NULL, NULL), 0); /* a cell that is not there */
}

static int64_t recipient_state(struct txn *t, uint32_t notice, uint32_t number)
{
    struct key k = notice_key(notice);

    key_u32(&k, number);
    return cell_of(t, SA_NOTICE_RECIPIENT, k, NOTICE_RECIPIENT_STATE);
}

static void partly(struct txn *t, uint32_t id, enum notice_end end, enum sa_notice_state a,
                   enum sa_notice_state b)
{
    const struct notice_recipient list[] = {{"a@example.net", a, "said a"},
                                            {"b@example.net", b, "said b"},
                                            {"stranger@example.net", NOTICE_DELIVERED, ""}};
    struct notice_ref ref = {"alice", id};
    enum sa_notice_state s;

    assert_int_equal(
        notice_outcome(t, &ref, end, CONFIRM_HANDED_OFF, "words", list, COUNT(list), NOW, &s), 0);
}

static void test_each_recipient_has_its_own_end(void **state)
{
    struct txn *t = begin(*state);
    struct key second = notice_key(1);

    PUT(t, SA_TARGET, key_of_names("alice", "ops"),
        {TARGET_RECIPIENTS, 0, "a@example.net,b@example.net"});
    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 1);
    partly(t, 1, NOTICE_END_RETRY, NOTICE_DELIVERED, NOTICE_PENDING);
    assert_int_equal(recipient_state(t, 1, 1), NOTICE_DELIVERED);
    assert_int_equal(recipient_state(t, 1, 2), NOTICE_PENDING);
    ASSERT_STATE(t, 1, NOTICE_PENDING);
    key_u32(&second, 2);
    assert_string_equal(text_of(t, SA_NOTICE_RECIPIENT, second, NOTICE_RECIPIENT_REPLY), "said b");
    assert_int_equal(table_count(t, sa_table_by_id(SA_NOTICE_RECIPIENT)), 2);
    done(t);
}

static void test_one_recipient_reached_is_told(void **state)
{
    struct txn *t = begin(*state);

    PUT(t, SA_TARGET, key_of_names("alice", "ops"),
        {TARGET_RECIPIENTS, 0, "a@example.net,b@example.net"});
    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 1);
    partly(t, 1, NOTICE_END_RETRY, NOTICE_DELIVERED, NOTICE_PENDING);
    assert_int_equal(tell(t, "ops", 1, KIND_CLEAR, LEVEL_OK, NOW), 2);
    /* The other one is given up: the first knows of the problem and hears of its end. */
    partly(t, 1, NOTICE_END_FAILED, NOTICE_DELIVERED, NOTICE_FAILED);
    ASSERT_STATE(t, 1, NOTICE_FAILED);
    ASSERT_STATE(t, 2, NOTICE_PENDING);
    assert_int_equal(claim(t, NOW), 2);
    done(t);
}

/* ---- digests ---- */

static struct notice_ref batch[NOTICE_BATCH_MAX];
static char batch_uuid[UUID_TEXT_LEN + 1];

static size_t claim_batch(struct txn *t, int64_t now_ms)
{
    size_t n;
    int err = notice_claim(t, now_ms, NULL, batch, &n, batch_uuid);

    if (err == ERR_NOTFOUND)
        return 0;
    assert_int_equal(err, 0);
    for (size_t i = 0; i < n; i++) {
        ASSERT_STATE(t, batch[i].id, NOTICE_DISPATCHED);
        assert_string_equal(text_of(t, SA_NOTICE, notice_key(batch[i].id), NOTICE_DIGEST),
                            n > 1 ? batch_uuid : "");
        if (n == 1)
            assert_string_equal(text_of(t, SA_NOTICE, notice_key(batch[i].id), NOTICE_UUID),
                                batch_uuid);
    }
    return n;
}

static void test_a_digest_gathers_whole_lines(void **state)
{
    struct txn *t = begin(*state);
    static const uint32_t want[] = {1, 3, 5, 2};

    set_target(t, "ops", TARGET_DIGEST, 30000);
    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 2, KIND_RAISE, LEVEL_WARNING, NOW + 100);
    tell(t, "ops", 1, KIND_CHANGE, LEVEL_CRITICAL, NOW + 200);
    tell(t, "boss", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 1, KIND_CLEAR, LEVEL_OK, NOW + 300);
    assert_int_equal(claim_batch(t, NOW + 29999), 1); /* the other target gathers nothing */
    assert_int_equal(batch[0].id, 4);
    assert_int_equal(claim_batch(t, NOW + 29999), 0);
    assert_int_equal(claim_batch(t, NOW + 30000), 4);
    for (size_t i = 0; i < COUNT(want); i++) {
        assert_int_equal(batch[i].id, want[i]);
        assert_string_not_equal(text_of(t, SA_NOTICE, notice_key(want[i]), NOTICE_UUID),
                                batch_uuid);
        assert_int_equal(notice_cell(t, want[i], NOTICE_TARGET_SEQUENCE), i + 1);
    }
    assert_int_equal(claim_batch(t, NOW + 30000), 0);
    for (size_t i = 0; i < COUNT(want); i++)
        deliver(t, want[i]);
    assert_int_equal(notice_pending(t), 1);
    done(t);
}

static void test_one_notice_is_no_digest(void **state)
{
    struct txn *t = begin(*state);

    set_target(t, "ops", TARGET_DIGEST, 30000);
    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim_batch(t, NOW + 30000), 1);
    assert_string_equal(text_of(t, SA_NOTICE, notice_key(1), NOTICE_UUID), batch_uuid);
    done(t);
}

static void test_a_digest_leaves_lines_in_flight_alone(void **state)
{
    struct txn *t = begin(*state);

    set_target(t, "ops", TARGET_DIGEST, 1000);
    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim_batch(t, NOW + 1000), 1);
    tell(t, "ops", 1, KIND_CHANGE, LEVEL_CRITICAL, NOW + 1000);
    tell(t, "ops", 2, KIND_RAISE, LEVEL_WARNING, NOW + 1000);
    assert_int_equal(claim_batch(t, NOW + 2000), 1);
    assert_int_equal(batch[0].id, 3);
    /* And lines that wait for their retry. */
    outcome(t, 1, NOTICE_END_RETRY, "busy", NOW + 2000);
    tell(t, "ops", 3, KIND_RAISE, LEVEL_WARNING, NOW + 2000);
    assert_int_equal(claim_batch(t, NOW + 3000), 1);
    assert_int_equal(batch[0].id, 4);
    done(t);
}

/* Under the same UUID, even with less in it; with more it is another message. */
static void test_a_digest_that_failed_is_tried_again_as_one(void **state)
{
    struct txn *t = begin(*state);
    char uuid[UUID_TEXT_LEN + 1];
    struct notice_ref first = {"alice", 1};
    bool called_back;
    int64_t due;

    set_target(t, "ops", TARGET_DIGEST, 1000);
    for (uint32_t alert = 1; alert <= 5; alert++)
        tell(t, "ops", alert, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim_batch(t, NOW + 1000), 5);
    memcpy(uuid, batch_uuid, sizeof uuid);
    for (uint32_t id = 1; id <= 5; id++)
        outcome(t, id, NOTICE_END_RETRY, "busy", NOW + 1000);
    due = notice_next_due(t, NOTICE_ANY_WAY);
    assert_int_equal(claim_batch(t, due - 1), 0);
    assert_int_equal(claim_batch(t, due), 5);
    assert_string_equal(batch_uuid, uuid);
    for (uint32_t id = 1; id <= 5; id++)
        outcome(t, id, NOTICE_END_RETRY, "busy", due);
    PUT(t, SA_NOTICE, notice_key(1), {NOTICE_ACTION, ACTION_CANCEL, NULL});
    assert_int_equal(notice_act(t, &first, due, &called_back), 0);
    due = notice_next_due(t, NOTICE_ANY_WAY);
    assert_int_equal(claim_batch(t, due), 4);
    assert_string_equal(batch_uuid, uuid);
    for (uint32_t id = 2; id <= 5; id++)
        outcome(t, id, NOTICE_END_RETRY, "busy", due);
    tell(t, "ops", 6, KIND_RAISE, LEVEL_WARNING, due);
    due = notice_next_due(t, NOTICE_ANY_WAY) + NOTICE_RETRY_MOST_MS;
    assert_int_equal(claim_batch(t, due), 5);
    assert_string_not_equal(batch_uuid, uuid);
    done(t);
}

static void test_a_digest_holds_so_many(void **state)
{
    struct txn *t = begin(*state);

    set_target(t, "ops", TARGET_DIGEST, 1000);
    for (uint32_t alert = 1; alert <= 450; alert++)
        tell(t, "ops", alert, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim_batch(t, NOW + 1000), NOTICE_BATCH_MAX);
    assert_int_equal(claim_batch(t, NOW + 1000), NOTICE_BATCH_MAX);
    assert_int_equal(claim_batch(t, NOW + 1000), 50);
    assert_int_equal(claim_batch(t, NOW + 1000), 0);
    done(t);
}

static void test_a_digest_is_for_the_same_recipients(void **state)
{
    struct txn *t = begin(*state);
    struct key ops = key_of_names("alice", "ops");
    int64_t due;

    PUT(t, SA_TARGET, ops, {TARGET_DIGEST, 1000, NULL},
        {TARGET_RECIPIENTS, 0, "a@example.net,b@example.net"});
    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim_batch(t, NOW + 1000), 1);
    partly(t, 1, NOTICE_END_RETRY, NOTICE_DELIVERED, NOTICE_PENDING);
    /* Only b is still to hear of 1; of 2 and its line, both are. */
    due = notice_next_due(t, NOTICE_ANY_WAY);
    tell(t, "ops", 2, KIND_RAISE, LEVEL_WARNING, due - 1000);
    tell(t, "ops", 2, KIND_CHANGE, LEVEL_CRITICAL, due - 1000);
    assert_int_equal(claim_batch(t, due), 1);
    assert_int_equal(batch[0].id, 1);
    assert_int_equal(claim_batch(t, due), 2);
    assert_int_equal(batch[0].id, 2);
    assert_int_equal(batch[1].id, 3);
    done(t);
}

/* ---- the cap ---- */

static void test_a_full_queue(void **state)
{
    struct txn *t = begin(*state);

    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 1);
    tell(t, "ops", 2, KIND_RAISE, LEVEL_WARNING, NOW);
    set_target(t, "ops", TARGET_PENDING, NOTICE_QUEUE_MAX);
    /* Another alert: no room, and no harm. */
    assert_int_equal(tell(t, "ops", 3, KIND_RAISE, LEVEL_WARNING, NOW), 0);
    /* Its head is with the dispatcher: not that one. */
    assert_int_equal(tell(t, "ops", 1, KIND_CHANGE, LEVEL_CRITICAL, NOW), 0);
    /* The older state of the same alert makes room for the newer. */
    assert_int_equal(tell(t, "ops", 2, KIND_CHANGE, LEVEL_CRITICAL, NOW), 3);
    ASSERT_STATE(t, 2, NOTICE_CANCELLED);
    ASSERT_STATE(t, 3, NOTICE_PENDING);
    assert_int_equal(target_cell(t, "ops", TARGET_PENDING), NOTICE_QUEUE_MAX);
    assert_int_equal(claim(t, NOW), 3);
    done(t);
}

static void test_a_recovery_for_which_its_problem_made_room(void **state)
{
    struct txn *t = begin(*state);

    tell(t, "ops", 2, KIND_RAISE, LEVEL_WARNING, NOW);
    set_target(t, "ops", TARGET_PENDING, NOTICE_QUEUE_MAX);
    tell(t, "ops", 2, KIND_CLEAR, LEVEL_OK, NOW);
    ASSERT_STATE(t, 1, NOTICE_CANCELLED);
    assert_int_equal(claim(t, NOW), 0); /* nobody was told of the problem */
    assert_int_equal(notice_pending(t), 0);
    done(t);
}

/* Whoever knows of a problem hears of its end, however full the queue is. */
static void test_a_recovery_has_room(void **state)
{
    struct txn *t = begin(*state);

    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 1);
    outcome(t, 1, NOTICE_END_DELIVERED, "", NOW);
    tell(t, "ops", 2, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 2);
    set_target(t, "ops", TARGET_PENDING, NOTICE_QUEUE_MAX);
    assert_int_equal(tell(t, "ops", 1, KIND_CLEAR, LEVEL_OK, NOW), 3); /* it was told */
    assert_int_equal(tell(t, "ops", 2, KIND_CLEAR, LEVEL_OK, NOW), 4); /* it is under way */
    assert_int_equal(target_cell(t, "ops", TARGET_PENDING), NOTICE_QUEUE_MAX + 2);
    assert_int_equal(claim(t, NOW), 3);
    assert_int_equal(claim(t, NOW), 0);
    outcome(t, 2, NOTICE_END_DELIVERED, "", NOW);
    assert_int_equal(claim(t, NOW), 4);
    done(t);
}

/* ... of which there is one for each: what flaps meanwhile does not fill the queue further. */
static void test_a_full_queue_does_not_grow(void **state)
{
    struct txn *t = begin(*state);
    uint32_t last = 0;

    tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 1);
    set_target(t, "ops", TARGET_PENDING, NOTICE_QUEUE_MAX);
    for (int i = 0; i < 5; i++) {
        tell(t, "ops", 1, KIND_CLEAR, LEVEL_OK, NOW);
        last = tell(t, "ops", 1, KIND_RAISE, LEVEL_WARNING, NOW);
        assert_int_equal(target_cell(t, "ops", TARGET_PENDING), NOTICE_QUEUE_MAX + 1);
        assert_int_equal(notice_pending(t), 2);
    }
    ASSERT_STATE(t, 1, NOTICE_DISPATCHED);
    outcome(t, 1, NOTICE_END_DELIVERED, "", NOW);
    assert_int_equal(claim(t, NOW), last);
    done(t);
}

/* ---- ways ---- */

enum { POST = 1 << 1, PIGEON = 1 << 2 }; /* boss has pigeons */

static unsigned way_of_handler(void *arg, struct txn *t, const struct row *notice,
                               const struct row *target)
{
    char name[33];
    size_t pos = 0;

    (void)t;
    assert_string_equal(row_str(notice, NOTICE_HANDLER, name, sizeof name), arg);
    assert_true(key_read_name(&target->key, &pos, name) && key_read_name(&target->key, &pos, name));
    return strcmp(name, "boss") ? 1 : 2;
}

/* The only notice's id, 0 when nothing goes. */
static uint32_t claim_by(struct txn *t, unsigned room, int64_t now_ms)
{
    static char traps[] = "traps";
    struct notice_ways w = {.room = room, .way_of = way_of_handler, .arg = traps};
    struct notice_ref refs[NOTICE_BATCH_MAX];
    char uuid[UUID_TEXT_LEN + 1];
    size_t n = 0;
    int err = notice_claim(t, now_ms, &w, refs, &n, uuid);

    assert_int_equal(n, !err);
    assert_true(!err || err == ERR_NOTFOUND);
    return err ? 0 : refs[0].id;
}

static void test_a_way_without_room_delays_no_other(void **state)
{
    struct txn *t = begin(*state);

    tell(t, "boss", 1, KIND_RAISE, LEVEL_CRITICAL, NOW);
    tell(t, "boss", 2, KIND_RAISE, LEVEL_CRITICAL, NOW);
    tell(t, "ops", 1, KIND_RAISE, LEVEL_CRITICAL, NOW + 1);
    tell(t, "boss", 3, KIND_RAISE, LEVEL_CRITICAL, NOW + 2);
    assert_int_equal(claim_by(t, POST, NOW + 5), 3);
    assert_int_equal(claim_by(t, POST, NOW + 5), 0);
    for (uint32_t id = 1; id <= 4; id++) /* nobody counted an attempt for being set aside */
        assert_int_equal(notice_cell(t, id, NOTICE_ATTEMPTS), id == 3);
    /* Only that of the other way is due, and its lease. */
    assert_int_equal(notice_next_due(t, POST), NOW + 5 + NOTICE_LEASE_MS);
    assert_int_equal(notice_next_due(t, PIGEON), NOW);
    assert_int_equal(notice_next_due(t, 0), 0);
    /* In order once there is room, and before what came later. */
    tell(t, "boss", 4, KIND_RAISE, LEVEL_CRITICAL, NOW + 6);
    for (uint32_t id = 1; id <= 5; id++) {
        if (id != 3)
            assert_int_equal(claim_by(t, PIGEON, NOW + 6), id);
    }
    assert_int_equal(claim_by(t, POST | PIGEON, NOW + 6), 0);
    done(t);
}

static void test_what_is_set_aside_ends_like_any_other(void **state)
{
    struct txn *t = begin(*state);

    tell(t, "boss", 1, KIND_RAISE, LEVEL_CRITICAL, NOW);
    tell(t, "boss", 1, KIND_CLEAR, LEVEL_OK, NOW);
    tell(t, "boss", 2, KIND_RAISE, LEVEL_CRITICAL, NOW);
    assert_int_equal(claim_by(t, POST, NOW), 0);
    outcome(t, 1, NOTICE_END_CANCELLED, "by hand", NOW); /* and its recovery with it */
    assert_int_equal(notice_shift(t, 50), 1);
    assert_int_equal(notice_next_due(t, POST), NOW + 50);
    assert_int_equal(claim_by(t, POST, NOW + 50), 0);
    assert_int_equal(claim_by(t, PIGEON, NOW + 50), 3);
    deliver(t, 3);
    assert_int_equal(notice_next_due(t, NOTICE_ANY_WAY), 0);
    assert_int_equal(notice_pending(t), 0);
    done(t);
}

static void test_sorted_anew_when_ways_change(void **state)
{
    struct notice_ways swapped = {.room = POST};
    struct notice_ref refs[NOTICE_BATCH_MAX];
    char uuid[UUID_TEXT_LEN + 1];
    struct txn *t = begin(*state);
    size_t n;

    tell(t, "boss", 1, KIND_RAISE, LEVEL_CRITICAL, NOW);
    tell(t, "boss", 2, KIND_RAISE, LEVEL_CRITICAL, NOW);
    assert_int_equal(claim_by(t, POST, NOW), 0);
    assert_int_equal(notice_next_due(t, POST), 0);
    assert_int_equal(notice_claim(t, NOW, &swapped, refs, &n, uuid), ERR_NOTFOUND);
    assert_int_equal(notice_unsort(t), 0);
    assert_int_equal(notice_next_due(t, POST), NOW);
    assert_int_equal(notice_claim(t, NOW, &swapped, refs, &n, uuid), 0); /* all by post now */
    assert_int_equal(refs[0].id, 1);
    /* A restart sorts anew, too. */
    assert_int_equal(claim_by(t, POST, NOW), 0);
    assert_int_equal(notice_recover(t, NOW), 2);
    assert_int_equal(notice_next_due(t, POST), NOW);
    done(t);
}

static void test_one_claim_sets_so_many_aside(void **state)
{
    struct txn *t = begin(*state);

    for (uint32_t alert = 1; alert <= NOTICE_SORT_MAX + 1; alert++)
        tell(t, "boss", alert, KIND_RAISE, LEVEL_CRITICAL, NOW);
    tell(t, "ops", 1, KIND_RAISE, LEVEL_CRITICAL, NOW + 1);
    assert_int_equal(claim_by(t, POST, NOW + 1), 0);
    assert_int_equal(notice_next_due(t, POST), NOW); /* says that there is more */
    assert_int_equal(claim_by(t, POST, NOW + 1), NOTICE_SORT_MAX + 2);
    done(t);
}

/* ---- by a manager ---- */

/* A manager sets saNoticeAction, and the core does it. */
static bool act(struct txn *t, uint32_t id, enum sa_notice_action action, int64_t now_ms)
{
    struct key k = notice_key(id);
    struct notice_ref ref = {.owner = "alice", .id = id};
    bool call_back = true;
    struct edit d;

    edit_begin(&d, t, sa_table_by_id(SA_NOTICE), &k);
    edit_int(&d, NOTICE_ACTION, action);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(notice_act(t, &ref, now_ms, &call_back), 0);
    assert_int_equal(notice_cell(t, id, NOTICE_ACTION), call_back ? ACTION_CANCEL : ACTION_IDLE);
    return call_back;
}

static void test_cancelled_before_it_is_sent(void **state)
{
    struct txn *t = begin(*state);

    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 5, KIND_CHANGE, LEVEL_CRITICAL, NOW);
    tell(t, "ops", 5, KIND_CLEAR, LEVEL_OK, NOW);
    assert_false(act(t, 2, ACTION_CANCEL, NOW)); /* out of the middle */
    ASSERT_STATE(t, 2, NOTICE_CANCELLED);
    assert_string_equal(text_of(t, SA_NOTICE, notice_key(2), NOTICE_LAST_ERROR),
                        "cancelled by a manager");
    ASSERT_STATE(t, 3, NOTICE_PENDING);
    assert_false(act(t, 1, ACTION_CANCEL, NOW)); /* now nobody was told of the problem */
    ASSERT_STATE(t, 3, NOTICE_CANCELLED);
    assert_int_equal(notice_pending(t), 0);
    assert_int_equal(target_cell(t, "ops", TARGET_PENDING), 0);
    assert_int_equal(claim(t, NOW), 0);
    done(t);
}

/* What became of a notice that was called back while it was with the dispatcher. */
static void check_called_back(struct txn *t, uint32_t id, enum notice_end end,
                              enum sa_notice_state want)
{
    tell(t, "ops", id, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), id);
    assert_true(act(t, id, ACTION_CANCEL, NOW));
    ASSERT_STATE(t, id, NOTICE_DISPATCHED); /* nobody knows yet */
    assert_int_equal(outcome(t, id, end, "no", NOW), want);
    ASSERT_STATE(t, id, want);
    assert_int_equal(notice_cell(t, id, NOTICE_ACTION), ACTION_IDLE);
    assert_int_equal(claim(t, NOW + NOTICE_GIVE_UP_MS), 0);
}

static void test_called_back_from_the_dispatcher(void **state)
{
    struct txn *t = begin(*state);

    check_called_back(t, 1, NOTICE_END_RETRY, NOTICE_CANCELLED);
    check_called_back(t, 2, NOTICE_END_FAILED, NOTICE_CANCELLED);
    check_called_back(t, 3, NOTICE_END_DELIVERED, NOTICE_DELIVERED); /* too late */
    assert_int_equal(target_cell(t, "ops", TARGET_DELIVERED), 1);
    assert_int_equal(target_cell(t, "ops", TARGET_FAILED), 0);
    /* What was told has an end, what was cancelled in time has none. */
    assert_int_equal(tell(t, "ops", 1, KIND_CLEAR, LEVEL_OK, NOW), 0);
    assert_int_equal(tell(t, "ops", 3, KIND_CLEAR, LEVEL_OK, NOW), 4);
    done(t);
}

static void test_called_back_and_never_heard_of_again(void **state)
{
    struct txn *t = begin(*state);
    struct notice_ref ref = {"alice", 1};

    for (ref.id = 1; ref.id <= 3; ref.id++) {
        tell(t, "ops", ref.id, KIND_RAISE, LEVEL_WARNING, NOW);
        assert_int_equal(claim(t, NOW), ref.id);
        assert_true(act(t, ref.id, ACTION_CANCEL, NOW));
    }
    ref.id = 1; /* its dispatcher died */
    assert_int_equal(notice_release(t, &ref, NOW), 0);
    ASSERT_STATE(t, 1, NOTICE_CANCELLED);
    assert_int_equal(claim(t, NOW + NOTICE_LEASE_MS), 0); /* its lease ran out */
    ASSERT_STATE(t, 2, NOTICE_CANCELLED);
    ASSERT_STATE(t, 3, NOTICE_CANCELLED);
    tell(t, "ops", 4, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 4);
    assert_true(act(t, 4, ACTION_CANCEL, NOW));
    assert_true(notice_recover(t, NOW) >= 0); /* a restart */
    ASSERT_STATE(t, 4, NOTICE_CANCELLED);
    done(t);
}

static void test_sent_again_it_is_the_same(void **state)
{
    struct txn *t = begin(*state);
    char uuid[UUID_TEXT_LEN + 1];

    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    snprintf(uuid, sizeof uuid, "%s", text_of(t, SA_NOTICE, notice_key(1), NOTICE_UUID));
    assert_int_equal(claim(t, NOW), 1);
    assert_int_equal(outcome(t, 1, NOTICE_END_FAILED, "no", NOW), NOTICE_FAILED);
    assert_int_equal(retention_oldest(t, RETAINED_NOTICES), NOW);
    assert_false(act(t, 1, ACTION_RESEND, NOW + 9));
    ASSERT_STATE(t, 1, NOTICE_PENDING);
    assert_int_equal(notice_cell(t, 1, NOTICE_FINISHED), 0);
    assert_int_equal(notice_cell(t, 1, NOTICE_CREATED), NOW);
    assert_int_equal(retention_oldest(t, RETAINED_NOTICES), 0); /* it may not be purged now */
    assert_int_equal(target_cell(t, "ops", TARGET_PENDING), 1);
    assert_int_equal(claim(t, NOW + 8), 0);
    assert_int_equal(claim(t, NOW + 9), 1);
    assert_int_equal(notice_cell(t, 1, NOTICE_ATTEMPTS), 2);
    assert_int_equal(notice_cell(t, 1, NOTICE_TARGET_SEQUENCE), 1);
    assert_string_equal(text_of(t, SA_NOTICE, notice_key(1), NOTICE_UUID), uuid);
    /* Given up a day after that, not after it was made. */
    assert_int_equal(outcome(t, 1, NOTICE_END_RETRY, "no", NOW + NOTICE_GIVE_UP_MS),
                     NOTICE_PENDING);
    assert_int_equal(claim(t, NOW + 2 * NOTICE_GIVE_UP_MS), 1);
    assert_int_equal(outcome(t, 1, NOTICE_END_RETRY, "no", NOW + 9 + NOTICE_GIVE_UP_MS),
                     NOTICE_FAILED);
    done(t);
}

static void test_sent_again_it_goes_before_what_is_newer(void **state)
{
    struct txn *t = begin(*state);

    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 1);
    outcome(t, 1, NOTICE_END_FAILED, "no", NOW);
    tell(t, "ops", 5, KIND_CHANGE, LEVEL_CRITICAL, NOW);
    tell(t, "ops", 5, KIND_CHANGE, LEVEL_WARNING, NOW);
    act(t, 1, ACTION_RESEND, NOW);
    assert_int_equal(notice_cell(t, 2, NOTICE_NEXT_ATTEMPT), 0);
    for (uint32_t id = 1; id <= 3; id++) {
        assert_int_equal(claim(t, NOW), id);
        assert_int_equal(claim(t, NOW), 0);
        deliver(t, id);
    }
    /* What is newer but on its way already is not stopped; it comes behind if it comes back. */
    tell(t, "ops", 5, KIND_CHANGE, LEVEL_CRITICAL, NOW);
    assert_int_equal(claim(t, NOW), 4);
    act(t, 3, ACTION_RESEND, NOW);
    assert_int_equal(claim(t, NOW), 3);
    outcome(t, 4, NOTICE_END_RETRY, "no", NOW);
    assert_int_equal(claim(t, NOW + NOTICE_RETRY_MOST_MS / 2), 0);
    deliver(t, 3);
    assert_int_equal(claim(t, NOW + NOTICE_RETRY_MOST_MS), 4);
    done(t);
}

/* Its target must not take it for the problem of today. */
static void test_sent_again_when_it_is_over(void **state)
{
    struct txn *t = begin(*state);
    struct key alert = key_of_id("alice", 5);
    uint64_t told;

    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 1);
    deliver(t, 1);
    tell(t, "ops", 5, KIND_CLEAR, LEVEL_OK, NOW);
    assert_int_equal(claim(t, NOW), 2);
    deliver(t, 2);
    PUT(t, SA_ALERT, alert, {ALERT_LEVEL, LEVEL_OK, NULL}, {ALERT_ACTIVE_SINCE, 0, NULL});
    told = kv_count(t, "told");
    act(t, 1, ACTION_RESEND, NOW);
    assert_int_equal(claim(t, NOW), 1);
    deliver(t, 1);
    assert_int_equal(kv_count(t, "told"), told);
    assert_int_equal(tell(t, "ops", 5, KIND_CLEAR, LEVEL_OK, NOW), 0); /* nothing is owed */
    /* Nor the end of an old problem for that of the present one. */
    tell(t, "ops", 5, KIND_RAISE, LEVEL_CRITICAL, NOW);
    PUT(t, SA_ALERT, alert, {ALERT_LEVEL, LEVEL_CRITICAL, NULL}, {ALERT_ACTIVE_SINCE, 77, NULL});
    assert_int_equal(claim(t, NOW), 3);
    deliver(t, 3);
    act(t, 2, ACTION_RESEND, NOW);
    assert_int_equal(claim(t, NOW), 2);
    deliver(t, 2);
    assert_int_equal(tell(t, "ops", 5, KIND_CLEAR, LEVEL_OK, NOW), 4);
    /* Nor that for the end of the present one, which still waits. */
    PUT(t, SA_ALERT, alert, {ALERT_LEVEL, LEVEL_OK, NULL}, {ALERT_HISTORY, 9, NULL});
    told = kv_count(t, "told");
    act(t, 2, ACTION_RESEND, NOW);
    assert_int_equal(claim(t, NOW), 2);
    deliver(t, 2);
    assert_int_equal(kv_count(t, "told"), told);
    assert_int_equal(claim(t, NOW), 4);
    deliver(t, 4);
    assert_int_equal(kv_count(t, "told"), told - 1);
    done(t);
}

/* An end that is sent again waits in front of a newer problem, which is cancelled. */
static void test_only_the_end_of_what_was_cancelled_goes_with_it(void **state)
{
    struct txn *t = begin(*state);

    raise_and_deliver(t, "ops", 5, NOW);
    tell(t, "ops", 5, KIND_CLEAR, LEVEL_OK, NOW);
    assert_int_equal(claim(t, NOW), 2);
    deliver(t, 2);
    act(t, 2, ACTION_RESEND, NOW);
    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 5, KIND_CLEAR, LEVEL_OK, NOW);
    act(t, 3, ACTION_CANCEL, NOW);
    ASSERT_STATE(t, 2, NOTICE_PENDING);
    ASSERT_STATE(t, 4, NOTICE_CANCELLED);
    done(t);
}

/* What waits behind a problem that was cancelled may be the end of one before it. */
static void test_the_end_of_an_older_problem_stays(void **state)
{
    struct txn *t = begin(*state);

    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    tell(t, "ops", 5, KIND_CHANGE, LEVEL_CRITICAL, NOW);
    tell(t, "ops", 5, KIND_CLEAR, LEVEL_OK, NOW);
    act(t, 2, ACTION_CANCEL, NOW);
    ASSERT_STATE(t, 3, NOTICE_PENDING);
    act(t, 1, ACTION_CANCEL, NOW);
    ASSERT_STATE(t, 3, NOTICE_CANCELLED);
    done(t);
}

static void test_who_is_told_again(void **state)
{
    struct txn *t = begin(*state);
    struct key first = notice_key(1), second = first;
    struct notice_ref ref = {"alice", 1};
    struct notice_recipient recipients[] = {{"a@example.net", NOTICE_DELIVERED, "250 ok"},
                                            {"b@example.net", NOTICE_FAILED, "550 no"}};
    enum sa_notice_state s;

    key_u32(&first, 1);
    key_u32(&second, 2);
    PUT(t, SA_TARGET, key_of_names("alice", "ops"),
        {TARGET_RECIPIENTS, 0, "a@example.net b@example.net"});
    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 1);
    assert_int_equal(
        notice_outcome(t, &ref, NOTICE_END_FAILED, CONFIRM_NONE, "no", recipients, 2, NOW, &s), 0);
    act(t, 1, ACTION_RESEND, NOW); /* failed: those who were not reached */
    assert_int_equal(cell_of(t, SA_NOTICE_RECIPIENT, first, NOTICE_RECIPIENT_STATE),
                     NOTICE_DELIVERED);
    assert_int_equal(cell_of(t, SA_NOTICE_RECIPIENT, second, NOTICE_RECIPIENT_STATE),
                     NOTICE_PENDING);
    assert_int_equal(claim(t, NOW), 1);
    assert_int_equal(
        notice_outcome(t, &ref, NOTICE_END_DELIVERED, CONFIRM_NONE, NULL, recipients, 1, NOW, &s),
        0);
    act(t, 1, ACTION_RESEND, NOW); /* delivered: everyone */
    assert_int_equal(cell_of(t, SA_NOTICE_RECIPIENT, first, NOTICE_RECIPIENT_STATE),
                     NOTICE_PENDING);
    done(t);
}

/* By the time that the core looks it may be otherwise than the SET was checked for. */
static void test_what_cannot_be_done_any_more_is_not(void **state)
{
    struct txn *t = begin(*state);

    tell(t, "ops", 5, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_false(act(t, 1, ACTION_RESEND, NOW)); /* it is pending */
    assert_int_equal(claim(t, NOW), 1);
    deliver(t, 1);
    assert_false(act(t, 1, ACTION_CANCEL, NOW)); /* it has been delivered */
    ASSERT_STATE(t, 1, NOTICE_DELIVERED);
    drop_row(t, SA_TARGET, key_of_names("alice", "ops"));
    put_target(t, "alice", "ops");
    take_in(t, 1);
    assert_false(act(t, 1, ACTION_RESEND, NOW)); /* to another target of that name */
    ASSERT_STATE(t, 1, NOTICE_DELIVERED);
    assert_int_equal(notice_pending(t), 0);
    done(t);
}

/* What was cancelled or is behind something on its way does not get into a digest. */
static void test_a_digest_takes_nothing_from_behind_what_is_on_its_way(void **state)
{
    struct txn *t = begin(*state);
    struct notice_ref refs[NOTICE_BATCH_MAX];
    char uuid[UUID_TEXT_LEN + 1];
    size_t n;

    for (uint32_t alert = 1; alert <= 2; alert++)
        tell(t, "ops", alert, KIND_RAISE, LEVEL_WARNING, NOW);
    assert_int_equal(claim(t, NOW), 1);
    deliver(t, 1);
    assert_int_equal(claim(t, NOW), 2);
    deliver(t, 2);
    tell(t, "ops", 1, KIND_CHANGE, LEVEL_CRITICAL, NOW);
    assert_int_equal(claim(t, NOW), 3);
    act(t, 1, ACTION_RESEND, NOW);
    act(t, 2, ACTION_RESEND, NOW);
    tell(t, "ops", 1, KIND_CHANGE, LEVEL_WARNING, NOW);
    set_target(t, "ops", TARGET_DIGEST, 1000);
    assert_int_equal(notice_claim(t, NOW, NULL, refs, &n, uuid), 0);
    assert_int_equal(n, 2); /* 1 and 2; 4 would come before 3 */
    assert_int_equal(refs[0].id, 1);
    assert_int_equal(refs[1].id, 2);
    done(t);
}

/* ---- the walk ---- */

enum { TARGETS = 4, ALERTS = 5, LIVE_MAX = 4096, DONE_MAX = 64, STEPS = 24000 };

struct m_notice {
    uint32_t id, incarnation, alert, attempts, sequence;
    enum sa_notice_kind kind;
    enum sa_level level;
    enum sa_notice_state state;
    int64_t created, ready, due; /* due 0: not the head of its line */
    int64_t resent, since;       /* since: when its problem began */
    uint32_t history;
    bool cancel, bygone; /* cancel: called back */
};
struct m_told {
    uint32_t alert, incarnation, owed, forgotten;
    int level;
    bool suppressed;
};
struct model {
    struct m_notice live[LIVE_MAX];
    size_t nlive;
    struct m_told told[1024];
    size_t ntold;
    struct m_target {
        bool there, enabled;
        uint32_t incarnation, sequence, pending;
        int64_t digest, states;
    } targets[TARGETS];
    enum sa_level level[ALERTS + 1];
    int64_t since[ALERTS + 1]; /* 0: is OK */
    uint32_t history[ALERTS + 1], last_history;
    struct m_notice done[DONE_MAX]; /* some that are finished, which may be sent again */
    size_t ndone;
    uint64_t finished, cancelled, suppressed, resent; /* how many */
    uint32_t next_id, most_told;
    int64_t now;
};

static struct model model, saved;
static const char *const target_names[TARGETS] = {"t0", "t1", "t2", "t3"};

static struct m_told *m_told(struct model *m, uint32_t alert, uint32_t incarnation)
{
    for (size_t i = 0; i < m->ntold; i++) {
        if (m->told[i].alert == alert && m->told[i].incarnation == incarnation)
            return &m->told[i];
    }
    assert_true(m->ntold < COUNT(m->told));
    m->told[m->ntold] = (struct m_told){.alert = alert, .incarnation = incarnation};
    return &m->told[m->ntold++];
}

static struct m_target *m_target_of(struct model *m, uint32_t incarnation)
{
    for (size_t i = 0; i < TARGETS; i++) {
        if (m->targets[i].there && m->targets[i].incarnation == incarnation)
            return &m->targets[i];
    }
    return NULL;
}

static struct m_notice *m_find(struct model *m, uint32_t id)
{
    for (size_t i = 0; i < m->nlive; i++) {
        if (m->live[i].id == id)
            return &m->live[i];
    }
    return NULL;
}

static struct m_notice *m_head(struct model *m, uint32_t incarnation, uint32_t alert)
{
    struct m_notice *head = NULL;

    for (size_t i = 0; i < m->nlive; i++) {
        struct m_notice *n = &m->live[i];

        if (n->incarnation == incarnation && n->alert == alert && (!head || n->id < head->id))
            head = n;
    }
    return head;
}

static void m_create(struct model *m, struct m_target *to, uint32_t alert, enum sa_notice_kind kind,
                     enum sa_level level)
{
    bool first = !m_head(m, to->incarnation, alert);

    assert_true(m->nlive < LIVE_MAX);
    m->live[m->nlive++] = (struct m_notice){.id = m->next_id++,
                                            .incarnation = to->incarnation,
                                            .alert = alert,
                                            .kind = kind,
                                            .level = level,
                                            .state = NOTICE_PENDING,
                                            .created = m->now,
                                            .ready = m->now + to->digest,
                                            .due = first ? m->now + to->digest : 0,
                                            .since = m->since[alert],
                                            .history = m->history[alert]};
    to->pending++;
}

/* Finished: it may be sent again. */
static void m_done(struct model *m, const struct m_notice *n, enum sa_notice_state state)
{
    struct m_notice *at = &m->done[m->ndone < DONE_MAX ? m->ndone++ : n->id % DONE_MAX];

    *at = *n;
    at->state = state;
    at->cancel = false;
    m->finished++;
    m->cancelled += state == NOTICE_CANCELLED;
    m->suppressed += state == NOTICE_SUPPRESSED;
}

static void m_forget(struct m_told *told)
{
    told->level = 0;
    told->forgotten += told->owed;
    told->owed = 0;
    told->suppressed = false;
}

/* ALERT is over: only targets that are THERE and enabled hear of it. */
static void m_forget_others(struct model *m, uint32_t alert)
{
    for (size_t i = 0; i < m->ntold; i++) {
        struct m_target *to = m_target_of(m, m->told[i].incarnation);

        if (m->told[i].alert == alert && !(to && to->enabled))
            m_forget(&m->told[i]);
    }
}

static void m_tell(struct model *m, struct m_target *to, uint32_t alert, enum sa_notice_kind kind,
                   enum sa_level level, bool recovery)
{
    struct m_told *told = m_told(m, alert, to->incarnation);
    bool wanted = !to->states || (to->states >> (level - 1) & 1);

    if (kind == KIND_ACKNOWLEDGE) {
        if (told->level || told->owed)
            m_create(m, to, alert, kind, level);
        return;
    }
    told->suppressed = false;
    if (level != LEVEL_OK && wanted) {
        m_create(m, to, alert, kind, level);
        told->owed++;
    } else if (level == LEVEL_OK) {
        if (wanted && recovery && (told->level || told->owed))
            m_create(m, to, alert, kind, level);
        else
            m_forget(told);
    }
}

static void m_suppress(struct model *m, struct m_target *to, uint32_t alert,
                       enum sa_notice_kind kind, enum sa_level level)
{
    struct m_notice n = {.id = m->next_id,
                         .incarnation = to->incarnation,
                         .alert = alert,
                         .kind = kind,
                         .level = level,
                         .created = m->now,
                         .since = m->since[alert],
                         .history = m->history[alert]};

    if (to->states && !(to->states >> (level - 1) & 1))
        return;
    m->next_id++;
    m_done(m, &n, NOTICE_SUPPRESSED);
    m_told(m, alert, to->incarnation)->suppressed = true;
}

static void m_finish(struct model *m, uint32_t id, enum sa_notice_state state);

/* What says nothing without its problem goes with it. */
static void m_cancel_untold(struct model *m, const struct m_notice *done)
{
    struct m_notice *next = NULL;
    enum sa_notice_kind kind;

    for (size_t i = 0; i < m->nlive; i++) {
        struct m_notice *n = &m->live[i];

        if (n->incarnation != done->incarnation || n->alert != done->alert)
            continue;
        if (n->id > done->id && (!next || n->id < next->id))
            next = n;
        if (n->id < done->id && !n->bygone && (n->kind == KIND_RAISE || n->kind == KIND_CHANGE))
            return; /* what follows is that one's */
    }
    kind = next ? next->kind : 0;
    if (!next || next->state != NOTICE_PENDING || next->bygone ||
        (kind != KIND_CLEAR && kind != KIND_ACKNOWLEDGE))
        return;
    m_finish(m, next->id, NOTICE_CANCELLED);
    if (kind == KIND_ACKNOWLEDGE)
        m_cancel_untold(m, done);
}

/* What its end means to its target. Is it a problem that was never told? */
static bool m_told_after(struct m_told *told, const struct m_notice *n, bool reached, bool lives)
{
    bool problem = !n->bygone && (n->kind == KIND_RAISE || n->kind == KIND_CHANGE), untold;
    bool forgotten = problem && told->forgotten;

    if (forgotten)
        told->forgotten--;
    else if (problem && told->owed)
        told->owed--;
    if (reached && problem && !forgotten)
        told->level = (int)n->level;
    if (reached && n->kind == KIND_CLEAR && !n->bygone)
        told->level = 0;
    untold = problem && !forgotten && !told->level;
    if (!lives)
        told->level = 0;
    return untold;
}

static void m_finish(struct model *m, uint32_t id, enum sa_notice_state state)
{
    struct m_notice n = *m_find(m, id), *head;
    struct m_target *to = m_target_of(m, n.incarnation);
    bool untold =
        m_told_after(m_told(m, n.alert, n.incarnation), &n, state == NOTICE_DELIVERED, to);

    m_done(m, &n, state);
    *m_find(m, id) = m->live[m->nlive - 1];
    m->nlive--;
    if (to)
        to->pending--;
    head = m_head(m, n.incarnation, n.alert);
    if (head && !head->due) {
        head->due = head->ready > m->now ? head->ready : m->now;
        if (head->state == NOTICE_DISPATCHED)
            head->due = m->now + NOTICE_LEASE_MS;
    }
    if (untold)
        m_cancel_untold(m, &n);
}

static int by_due(const void *a, const void *b)
{
    const struct m_notice *x = a, *y = b;

    if (x->due != y->due)
        return x->due < y->due ? -1 : 1;
    if (x->incarnation != y->incarnation)
        return x->incarnation < y->incarnation ? -1 : 1;
    if (x->alert != y->alert)
        return x->alert < y->alert ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int by_place(const void *a, const void *b)
{
    struct m_notice x = *(const struct m_notice *)a, y = *(const struct m_notice *)b;

    x.due = y.due = 0;
    return by_due(&x, &y);
}

static struct m_notice *m_first_due(struct model *m)
{
    struct m_notice *first = NULL;

    for (size_t i = 0; i < m->nlive; i++) {
        struct m_notice *n = &m->live[i];

        if (n->due && (!first || by_due(n, first) < 0))
            first = n;
    }
    return first && first->due <= m->now ? first : NULL;
}

/* Of the same line, something older is on its way. */
static bool m_behind_another(const struct model *m, const struct m_notice *n)
{
    for (size_t i = 0; i < m->nlive; i++) {
        const struct m_notice *x = &m->live[i];

        if (x->incarnation == n->incarnation && x->alert == n->alert && x->id < n->id &&
            x->state == NOTICE_DISPATCHED)
            return true;
    }
    return false;
}

/* The ids that a claim hands out, in order. */
static size_t m_claim(struct model *m, uint32_t *ids)
{
    struct m_notice *first;
    struct m_target *to = NULL;
    size_t n = 0;

    while ((first = m_first_due(m))) {
        to = m_target_of(m, first->incarnation);
        if (to && to->enabled && !first->cancel)
            break;
        m_finish(m, first->id, NOTICE_CANCELLED);
    }
    if (!first)
        return 0;
    ids[0] = first->id;
    if (to->digest > 0) {
        uint32_t incarnation = first->incarnation, id = first->id;

        qsort(m->live, m->nlive, sizeof *m->live, by_place);
        for (size_t i = 0; i < m->nlive && n < NOTICE_BATCH_MAX; i++) {
            struct m_notice *x = &m->live[i], *head = m_head(m, x->incarnation, x->alert);

            if (x->incarnation == incarnation && x->state == NOTICE_PENDING &&
                !m_behind_another(m, x) && !(head->attempts && head->due > m->now))
                ids[n++] = x->id;
        }
        ids[0] = n ? ids[0] : id;
    }
    n = n ? n : 1;
    for (size_t i = 0; i < n; i++) {
        struct m_notice *x = m_find(m, ids[i]);

        x->state = NOTICE_DISPATCHED;
        x->attempts++;
        x->sequence = x->sequence ? x->sequence : ++to->sequence;
        x->due = x->due ? m->now + NOTICE_LEASE_MS : 0;
    }
    return n;
}

static void m_requeue(struct model *m, struct m_notice *n, int64_t when)
{
    bool first = m_head(m, n->incarnation, n->alert) == n;

    n->state = NOTICE_PENDING;
    n->ready = when;
    n->due = n->due && first ? when : 0;
}

static void m_release(struct model *m, struct m_notice *n)
{
    if (n->state != NOTICE_DISPATCHED)
        return;
    if (n->cancel) {
        m_finish(m, n->id, NOTICE_CANCELLED);
        return;
    }
    n->attempts -= n->attempts > 0;
    m_requeue(m, n, m->now);
}

static void m_recover(struct model *m)
{
    static uint32_t ids[LIVE_MAX];
    size_t n = m->nlive;

    qsort(m->live, m->nlive, sizeof *m->live, by_place);
    for (size_t i = 0; i < n; i++)
        ids[i] = m->live[i].id;
    for (size_t i = 0; i < n; i++) {
        struct m_notice *x = m_find(m, ids[i]);

        if (x)
            m_release(m, x);
    }
}

/* Was what it tells over already, or told by a later one? */
static bool m_is_bygone(const struct model *m, const struct m_notice *n)
{
    return n->kind == KIND_CLEAR
               ? m->level[n->alert] != LEVEL_OK || m->history[n->alert] != n->history
               : m->since[n->alert] != n->since;
}

/* Sends done[I] again, if its target can still be told. */
static void m_resend(struct model *m, size_t i)
{
    struct m_notice n = m->done[i], *head = m_head(m, n.incarnation, n.alert);
    struct m_target *to = m_target_of(m, n.incarnation);
    bool first = !head || head->id > n.id;

    if (!to || !to->enabled)
        return;
    if (head && first && head->state == NOTICE_PENDING)
        head->due = 0;
    n.state = NOTICE_PENDING;
    n.bygone = m_is_bygone(m, &n);
    n.ready = n.resent = m->now;
    n.due = first ? m->now : 0;
    if (!n.bygone && (n.kind == KIND_RAISE || n.kind == KIND_CHANGE)) {
        struct m_told *told = m_told(m, n.alert, n.incarnation);

        told->owed++;
        if (n.history == m->history[n.alert])
            told->suppressed = false;
    }
    m->live[m->nlive++] = n;
    m->done[i] = m->done[--m->ndone];
    m->finished--;
    m->resent++;
    to->pending++;
}

/* ---- the model and the store, step by step ---- */

/* The alert's row, and what a notice of it says. */
static struct notice_text walk_alert(struct txn *t, uint32_t alert, enum sa_notice_kind kind)
{
    struct notice_text n = text_about(alert, kind, model.level[alert]);
    struct key k = key_of_id("alice", alert);
    struct edit d;

    n.history = model.history[alert];
    n.active_since_ms = model.since[alert];
    edit_begin(&d, t, sa_table_by_id(SA_ALERT), &k);
    edit_int(&d, ALERT_LEVEL, model.level[alert]);
    edit_int(&d, ALERT_HISTORY, n.history);
    edit_int(&d, ALERT_ACTIVE_SINCE, n.level == LEVEL_OK ? 0 : n.active_since_ms);
    assert_int_equal(row_put(&d, NULL), 0);
    return n;
}

/* Those that a route leads to. */
static struct route walk_route(struct txn *t)
{
    struct route r = {.n = 0};

    for (size_t i = 0; i < TARGETS; i++) {
        if (model.targets[i].there && model.targets[i].enabled)
            r.targets[r.n++] = target_of(t, "alice", target_names[i]);
    }
    return r;
}

static void walk_acknowledge(struct txn *t, uint32_t alert)
{
    struct notice_text n;
    struct route r = walk_route(t);

    if (model.level[alert] == LEVEL_OK)
        return;
    n = walk_alert(t, alert, KIND_ACKNOWLEDGE);
    for (size_t i = 0; i < r.n; i++)
        m_tell(&model, m_target_of(&model, r.targets[i].incarnation), alert, n.kind, n.level, true);
    assert_int_equal(notice_tell(t, &r, &n, true, NULL, NULL, model.now), 0);
}

/* What suppressed is over. */
static void walk_unsuppress(struct txn *t, uint32_t alert)
{
    struct notice_text n;
    struct route r = walk_route(t);

    if (model.level[alert] == LEVEL_OK)
        return;
    n = walk_alert(t, alert, KIND_CHANGE);
    for (size_t i = 0; i < r.n; i++) {
        struct m_told *told = m_told(&model, alert, r.targets[i].incarnation);

        if (told->suppressed)
            m_tell(&model, m_target_of(&model, told->incarnation), alert,
                   told->level || told->owed ? KIND_CHANGE : KIND_RAISE, n.level, true);
    }
    for (size_t i = 0; i < model.ntold; i++)
        model.told[i].suppressed = model.told[i].suppressed && model.told[i].alert != alert;
    assert_int_equal(notice_unsuppress(t, &r, &n, NULL, NULL, model.now), 0);
}

static void walk_act(struct txn *t, uint64_t *seed)
{
    size_t i = dice(seed, model.nlive + model.ndone ? (uint32_t)(model.nlive + model.ndone) : 1);
    enum sa_notice_action action = dice(seed, 2) ? ACTION_CANCEL : ACTION_RESEND;
    bool under_way = i < model.nlive && model.live[i].state == NOTICE_DISPATCHED;
    uint32_t id;

    if (i >= model.nlive + model.ndone || (i < model.nlive && model.live[i].cancel))
        return; /* a second action is refused before it comes here */
    id = i < model.nlive ? model.live[i].id : model.done[i - model.nlive].id;
    assert_int_equal(act(t, id, action, model.now), action == ACTION_CANCEL && under_way);
    if (i >= model.nlive && action == ACTION_RESEND)
        m_resend(&model, i - model.nlive);
    else if (under_way && action == ACTION_CANCEL)
        model.live[i].cancel = true;
    else if (i < model.nlive && action == ACTION_CANCEL)
        m_finish(&model, id, NOTICE_CANCELLED);
}

static void walk_tell(struct txn *t, uint64_t *seed)
{
    uint32_t alert = 1 + dice(seed, ALERTS);
    enum sa_level from = model.level[alert], to = 1 + dice(seed, 5);
    enum sa_notice_kind kind = from == LEVEL_OK ? KIND_RAISE
                               : to == LEVEL_OK ? KIND_CLEAR
                                                : KIND_CHANGE;
    bool recovery = dice(seed, 5), held = dice(seed, 4) == 0;
    struct route r = walk_route(t);
    struct notice_text n;

    if (dice(seed, 3) == 0)
        to = LEVEL_OK, kind = KIND_CLEAR;
    if (from == to)
        return;
    model.level[alert] = to;
    model.history[alert] = ++model.last_history;
    if (kind == KIND_RAISE)
        model.since[alert] = model.now;
    n = walk_alert(t, alert, kind);
    n.suppression = held && to != LEVEL_OK ? SUPPRESSION_ACKNOWLEDGED : 0;
    for (size_t i = 0; i < r.n; i++) {
        struct m_target *target = m_target_of(&model, r.targets[i].incarnation);

        if (n.suppression)
            m_suppress(&model, target, alert, kind, to);
        else
            m_tell(&model, target, alert, kind, to, recovery);
    }
    if (to == LEVEL_OK)
        m_forget_others(&model, alert);
    if (to == LEVEL_OK)
        model.since[alert] = 0;
    assert_int_equal(notice_tell(t, &r, &n, recovery, NULL, NULL, model.now), 0);
}

static void walk_claim(struct txn *t, uint64_t *seed)
{
    static uint32_t ids[LIVE_MAX];
    size_t want = m_claim(&model, ids), got = 0;
    int err = notice_claim(t, model.now, NULL, batch, &got, batch_uuid);

    (void)seed;
    assert_int_equal(err, want ? 0 : ERR_NOTFOUND);
    assert_int_equal(got, want);
    for (size_t i = 0; i < want; i++)
        assert_int_equal(batch[i].id, ids[i]);
}

static struct m_notice *any_notice(uint64_t *seed, enum sa_notice_state state)
{
    for (size_t tries = 0; model.nlive && tries < 8; tries++) {
        struct m_notice *n = &model.live[dice(seed, (uint32_t)model.nlive)];

        if (n->state == state)
            return n;
    }
    return NULL;
}

/* From when on it is to be sent, which was WHEN. */
static int64_t walk_defer(struct txn *t, uint32_t id, int64_t when, uint32_t pause_ms)
{
    struct notice_ref ref = {"alice", id};
    int64_t granted = pause_ms < NOTICE_RETRY_MOST_MS ? pause_ms : NOTICE_RETRY_MOST_MS;
    int64_t until = model.now + granted > when ? model.now + granted : when;

    assert_int_equal(notice_defer(t, &ref, pause_ms, model.now), 0);
    assert_int_equal(notice_cell(t, id, NOTICE_READY), until);
    return until;
}

static void walk_outcome(struct txn *t, uint64_t *seed)
{
    static const enum notice_end ends[] = {NOTICE_END_DELIVERED, NOTICE_END_DELIVERED,
                                           NOTICE_END_RETRY,     NOTICE_END_RETRY,
                                           NOTICE_END_FAILED,    NOTICE_END_CANCELLED};
    static const enum sa_notice_state states[] = {[NOTICE_END_DELIVERED] = NOTICE_DELIVERED,
                                                  [NOTICE_END_RETRY] = NOTICE_PENDING,
                                                  [NOTICE_END_FAILED] = NOTICE_FAILED,
                                                  [NOTICE_END_CANCELLED] = NOTICE_CANCELLED};
    struct m_notice *n = any_notice(seed, dice(seed, 50) ? NOTICE_DISPATCHED : NOTICE_PENDING);
    enum notice_end end = ends[dice(seed, COUNT(ends))];
    enum sa_notice_state want = states[end];
    uint32_t id;

    if (!n)
        return;
    id = n->id;
    if (end == NOTICE_END_RETRY &&
        model.now - (n->resent ? n->resent : n->created) >= NOTICE_GIVE_UP_MS)
        want = NOTICE_FAILED;
    if (n->cancel && end != NOTICE_END_DELIVERED)
        want = NOTICE_CANCELLED;
    assert_int_equal(outcome(t, id, end, "no", model.now), want);
    ASSERT_STATE(t, id, want);
    if (want == NOTICE_PENDING) { /* the jitter is the queue's own: within its bounds */
        int64_t when = notice_cell(t, id, NOTICE_READY), wait = when - model.now;

        assert_true(wait >= notice_retry_ms(n->attempts, 0) &&
                    wait <= notice_retry_ms(n->attempts, 400));
        if (dice(seed, 3) == 0)
            when = walk_defer(t, id, when, dice(seed, 1500000));
        m_requeue(&model, n, when);
    } else {
        m_finish(&model, id, want);
    }
}

static void walk_target(struct txn *t, uint64_t *seed)
{
    size_t i = dice(seed, TARGETS);
    struct m_target *to = &model.targets[i];
    struct key k = key_of_names("alice", target_names[i]);

    if (to->there && dice(seed, 3)) {
        to->enabled = dice(seed, 4);
        PUT(t, SA_TARGET, k, {TARGET_ENABLED, to->enabled ? TRUTH_TRUE : TRUTH_FALSE, NULL});
    } else if (to->there) {
        drop_row(t, SA_TARGET, k);
        to->there = false;
    } else {
        *to = (struct m_target){.there = true,
                                .enabled = true,
                                .digest = i >= 2 ? 1 + dice(seed, 60000) : 0,
                                .states = i % 2 ? 1 + dice(seed, 0x1f) : 0};
        PUT(t, SA_TARGET, k, {TARGET_HANDLER, 0, "traps"}, {TARGET_DIGEST, to->digest, NULL},
            {TARGET_STATES, to->states, NULL});
    }
    take_in(t, 1);
    if (to->there)
        to->incarnation = incarnation_of(t, "alice", target_names[i]);
}

static void walk_step(struct txn *t, uint64_t *seed)
{
    static const int64_t naps[] = {0, 1, 1000, 5000, 30000, 660000, 660000, 10000000};
    struct notice_ref ref = {.owner = "alice"};
    struct m_notice *n;
    uint32_t alert;

    switch (dice(seed, 38)) {
    case 0:
        walk_target(t, seed);
        break;
    case 1:
        n = any_notice(seed, dice(seed, 4) ? NOTICE_DISPATCHED : NOTICE_PENDING);
        if (!n)
            break;
        ref.id = n->id;
        assert_int_equal(notice_release(t, &ref, model.now), 0);
        m_release(&model, n);
        break;
    case 2:
        assert_true(notice_recover(t, model.now) >= 0);
        m_recover(&model);
        break;
    case 3:
        alert = 1 + dice(seed, ALERTS);
        assert_int_equal(notice_forget(t, alert), 0);
        for (size_t i = 0; i < model.ntold; i++) {
            if (model.told[i].alert == alert)
                m_forget(&model.told[i]);
        }
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        model.now += naps[dice(seed, COUNT(naps))];
        break;
    case 8:
    case 9:
    case 10:
    case 11:
    case 12:
        walk_tell(t, seed);
        break;
    case 13:
    case 14:
    case 15:
    case 16:
    case 17:
    case 18:
    case 19:
    case 20:
    case 21:
        walk_claim(t, seed);
        break;
    case 22:
        walk_acknowledge(t, 1 + dice(seed, ALERTS));
        break;
    case 23:
        walk_unsuppress(t, 1 + dice(seed, ALERTS));
        break;
    case 24:
    case 25:
    case 26:
        walk_act(t, seed);
        break;
    default:
        walk_outcome(t, seed);
    }
}

/* ---- comparing ---- */

static int64_t counted(struct txn *t, unsigned column)
{
    struct key k;
    struct row r;

    key_init(&k);
    key_u32(&k, 0);
    return row_get(t, sa_table_by_id(SA_SYSTEM), &k, &r) ? 0 : row_int(&r, column);
}

static void compare_finished(struct txn *t)
{
    for (size_t i = 0; i < model.ndone; i++) {
        ASSERT_STATE(t, model.done[i].id, model.done[i].state);
        assert_int_equal(notice_cell(t, model.done[i].id, NOTICE_NEXT_ATTEMPT), 0);
        assert_int_equal(notice_cell(t, model.done[i].id, NOTICE_SUPPRESSION),
                         model.done[i].state == NOTICE_SUPPRESSED ? SUPPRESSION_ACKNOWLEDGED
                                                                  : SUPPRESSION_NONE);
    }
    assert_int_equal(kv_count(t, "noticeAge"), model.finished);
    assert_int_equal(counted(t, SYSTEM_NOTICES_CANCELLED), model.cancelled);
    assert_int_equal(counted(t, SYSTEM_NOTICES_SUPPRESSED), model.suppressed);
}

static void compare_rows(struct txn *t)
{
    for (size_t i = 0; i < model.nlive; i++) {
        const struct m_notice *n = &model.live[i];

        ASSERT_STATE(t, n->id, n->state);
        assert_int_equal(notice_cell(t, n->id, NOTICE_ATTEMPTS), n->attempts);
        assert_int_equal(notice_cell(t, n->id, NOTICE_TARGET_SEQUENCE), n->sequence);
        assert_int_equal(notice_cell(t, n->id, NOTICE_NEXT_ATTEMPT), n->due);
        assert_int_equal(notice_cell(t, n->id, NOTICE_ACTION),
                         n->cancel ? ACTION_CANCEL : ACTION_IDLE);
    }
    for (size_t i = 0; i < TARGETS; i++) {
        if (!model.targets[i].there)
            continue;
        assert_int_equal(target_cell(t, target_names[i], TARGET_PENDING), model.targets[i].pending);
        assert_int_equal(target_cell(t, target_names[i], TARGET_SEQUENCE),
                         model.targets[i].sequence);
    }
}

/* The database's next pair; false at the end. */
static bool next_pair(struct txn *t, const char *db, struct slice *k, struct slice *v, bool first)
{
    struct slice from = first ? (struct slice){NULL, 0} : *k;
    int err = kv_seek(t, db, from, !first, k, v);

    assert_true(!err || err == ERR_NOTFOUND);
    return !err;
}

static void compare_queues(struct txn *t)
{
    struct slice k, v;
    size_t i;

    assert_true(retention_complete(t, RETAINED_NOTICES));
    qsort(model.live, model.nlive, sizeof *model.live, by_place);
    for (i = 0; next_pair(t, "pending", &k, &v, i == 0); i++) {
        assert_true(i < model.nlive && k.len == 12 && v.len == 5 && !memcmp(v.data, "alice", 5));
        assert_int_equal(get_u32(k.data), model.live[i].incarnation);
        assert_int_equal(get_u32(k.data + 4), model.live[i].alert);
        assert_int_equal(get_u32(k.data + 8), model.live[i].id);
    }
    assert_int_equal(i, model.nlive);
    assert_int_equal(notice_pending(t), model.nlive);
    qsort(model.live, model.nlive, sizeof *model.live, by_due);
    for (i = 0; i < model.nlive && !model.live[i].due; i++)
        ;
    for (bool first = true; next_pair(t, "due", &k, &v, first); first = false, i++) {
        assert_true(i < model.nlive && k.len == 20);
        assert_int_equal(get_u64(k.data), model.live[i].due);
        assert_int_equal(get_u32(k.data + 16), model.live[i].id);
    }
    assert_int_equal(i, model.nlive);
}

static void compare_told(struct txn *t)
{
    size_t kept = 0;
    struct slice k, v;

    for (size_t i = 0; i < model.ntold; i++) {
        if (model.told[i].level || model.told[i].owed || model.told[i].forgotten ||
            model.told[i].suppressed)
            model.told[kept++] = model.told[i];
    }
    model.ntold = kept;
    for (bool first = true; next_pair(t, "told", &k, &v, first); first = false, kept--) {
        const struct m_told *told = m_told(&model, get_u32(k.data), get_u32(k.data + 4));

        assert_int_equal(v.data[0], told->level | (told->suppressed ? 0x80 : 0));
        assert_int_equal(get_u32(v.data + 1), told->owed);
        assert_int_equal(v.len, told->forgotten ? 9 : 5);
        if (told->forgotten)
            assert_int_equal(get_u32(v.data + 5), told->forgotten);
    }
    assert_int_equal(kept, 0);
}

/* How many alerts the target of told[OF] knows of; 0 if an earlier told[] was of the same. */
static uint32_t m_told_of(size_t of)
{
    uint32_t n = 0;

    for (size_t i = 0; i < model.ntold; i++) {
        if (!model.told[i].level || model.told[i].incarnation != model.told[of].incarnation)
            continue;
        if (i < of)
            return 0;
        n++;
    }
    return n;
}

static void compare_told_counts(struct txn *t)
{
    uint64_t some = 0;

    for (size_t i = 0; i < model.ntold; i++) {
        uint32_t n = model.told[i].level ? m_told_of(i) : 0;

        if (!n)
            continue;
        assert_int_equal(notice_told(t, model.told[i].incarnation), n);
        model.most_told = n > model.most_told ? n : model.most_told;
        some++;
    }
    assert_int_equal(kv_count(t, "toldCount"), some);
}

static void test_a_walk_agrees_with_a_model(void **state)
{
    struct world *w = *state;
    uint64_t seed = 20260101;

    memset(&model, 0, sizeof model);
    model.next_id = 1;
    model.now = NOW;
    for (size_t i = 0; i <= ALERTS; i++)
        model.level[i] = LEVEL_OK;
    IN(w, for (uint32_t alert = 1; alert <= ALERTS; alert++) put_alert(t, alert));
    for (int step = 0; step < STEPS; step++) {
        struct txn *t = begin(w);

        saved = model;
        walk_step(t, &seed);
        compare_rows(t);
        compare_finished(t);
        compare_queues(t);
        compare_told(t);
        compare_told_counts(t);
        if (dice(&seed, 20)) {
            done(t);
        } else { /* killed before the commit */
            txn_abort(t);
            model = saved;
        }
    }
    assert_true(model.next_id > 3000 && model.resent > 200);
    assert_true(model.cancelled > 200 && model.suppressed > 100 && model.most_told > 1);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_what_a_new_notice_holds),
        IN_WORLD(test_long_texts_are_cut_between_characters),
        IN_WORLD(test_a_line_is_sent_in_order),
        IN_WORLD(test_a_retry_keeps_the_order),
        IN_WORLD(test_the_clock_is_set_ahead),
        IN_WORLD(test_the_clock_is_set_back),
        IN_WORLD(test_recovery_from_a_future),
        IN_WORLD(test_a_dead_target_delays_no_other),
        IN_WORLD(test_a_match_holds_back_its_line_alone),
        IN_WORLD(test_what_a_match_refuses_leaves_nothing),
        IN_WORLD(test_a_match_without_an_answer_loses_nothing),
        IN_WORLD(test_a_match_and_what_else_happens_to_a_notice),
        IN_WORLD(test_what_a_claim_marks),
        IN_WORLD(test_an_outcome_that_never_comes_sends_it_again),
        IN_WORLD(test_outcomes_of_unknown_notices_are_ignored),
        IN_WORLD(test_a_due_time_that_no_notice_has_is_damage),
        cmocka_unit_test(test_retry_delays),
        IN_WORLD(test_a_receiver_may_ask_for_a_pause),
        IN_WORLD(test_given_up_after_a_day),
        IN_WORLD(test_what_a_test_came_to_is_in_its_target),
        IN_WORLD(test_a_test_that_is_cancelled_has_ended),
        IN_WORLD(test_a_restart_sends_what_was_on_its_way),
        IN_WORLD(test_release_counts_no_attempt),
        IN_WORLD(test_notices_of_targets_out_of_force_are_cancelled),
        IN_WORLD(test_a_target_made_again_is_told_nothing_old),
        IN_WORLD(test_who_is_told),
        IN_WORLD(test_what_is_told_is_counted),
        IN_WORLD(test_a_start_counts_what_was_told_before),
        cmocka_unit_test(test_recipients_are_divided_by_commas_or_blanks),
        cmocka_unit_test(test_recipients_have_limits),
        IN_WORLD(test_each_recipient_has_its_own_end),
        IN_WORLD(test_one_recipient_reached_is_told),
        IN_WORLD(test_a_digest_gathers_whole_lines),
        IN_WORLD(test_one_notice_is_no_digest),
        IN_WORLD(test_a_digest_leaves_lines_in_flight_alone),
        IN_WORLD(test_a_digest_that_failed_is_tried_again_as_one),
        IN_WORLD(test_a_digest_holds_so_many),
        IN_WORLD(test_a_digest_is_for_the_same_recipients),
        IN_WORLD(test_a_full_queue),
        IN_WORLD(test_a_recovery_has_room),
        IN_WORLD(test_a_full_queue_does_not_grow),
        IN_WORLD(test_a_recovery_for_which_its_problem_made_room),
        IN_WORLD(test_cancelled_before_it_is_sent),
        IN_WORLD(test_called_back_from_the_dispatcher),
        IN_WORLD(test_called_back_and_never_heard_of_again),
        IN_WORLD(test_sent_again_it_is_the_same),
        IN_WORLD(test_sent_again_it_goes_before_what_is_newer),
        IN_WORLD(test_sent_again_when_it_is_over),
        IN_WORLD(test_only_the_end_of_what_was_cancelled_goes_with_it),
        IN_WORLD(test_the_end_of_an_older_problem_stays),
        IN_WORLD(test_who_is_told_again),
        IN_WORLD(test_what_cannot_be_done_any_more_is_not),
        IN_WORLD(test_a_digest_takes_nothing_from_behind_what_is_on_its_way),
        IN_WORLD(test_a_walk_agrees_with_a_model),
        IN_WORLD(test_a_way_without_room_delays_no_other),
        IN_WORLD(test_what_is_set_aside_ends_like_any_other),
        IN_WORLD(test_sorted_anew_when_ways_change),
        IN_WORLD(test_one_claim_sets_so_many_aside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
