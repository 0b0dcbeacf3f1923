/* Topics as scripts see them, in a real evaluator: a table of expressions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "eval/client.h"
#include "tests/unit/eval/world.h"

#define LOOP(body) "(function () { var s = ''; " body " return s; })()"
#define THROWS(body)                                                                               \
    "(function () { try { " body " } catch (e) { return e instanceof TypeError; } return 'no'; "   \
    "})()"

static const char topic_a[] =
    "{\"x\":7,\"f\":1.5,\"s\":\"text\",\"t\":true,\"n\":null,\"big\":9007199254740993,"
    "\"list\":[1,2,3,\"four\",{\"k\":5}],\"o\":{\"z\":1,\"k\":\"v\"},"
    "\"deep\":{\"er\":[{\"q\":[10,20]}]},\"empty\":{},\"none\":[],"
    "\"long\":[0,1,2,3,4,5,6,7,8,9,10,11],\"len\":{\"length\":\"L\",\"toJSON\":\"data\"},"
    "\"\\u00e9\":\"\\u00fc\",\"esc\":\"a\\\"b\\nc\"}";

static const struct {
    const char *expression, *expected;
} table[] = {
    /* reading */
    {"_topic['a'].x", "7"},
    {"_topic.a.x + 1", "8"},
    {"_topic.a.f", "1.5"},
    {"_topic.a.s", "text"},
    {"_topic.a.s.length", "4"},
    {"_topic.a.s.toUpperCase()", "TEXT"},
    {"_topic.a.t", "true"},
    {"_topic.a.n", "null"},
    {"_topic.a.n === null", "true"},
    {"_topic.a.absent", "undefined"},
    {"_topic.absent", "undefined"},
    {"_topic['a b.c-1'].v", "1"},
    {"_topic.a.big", "9007199254740992"},
    {"_topic.a['\\u00e9']", "\xc3\xbc"},
    {"_topic.a.esc", "a\"b c"},
    {"_topic.a.deep.er[0].q[1]", "20"},
    {"_topic.a['deep']['er']['0'].q['0']", "10"},
    {"_topic.number", "42"},
    {"_topic.number > 41", "true"},
    {"_topic.text", "up"},
    {"_topic.array[1]", "b"},
    {"typeof _topic", "object"},
    {"typeof _topic.a", "object"},
    {"typeof _topic.a.list", "object"},
    {"typeof _topic.a.x", "number"},
    {"typeof _topic.absent", "undefined"},
    {"String(_topic.a.o)", "[object Object]"},
    {"String(_topic.a.list.slice(0, 3))", "1,2,3"},
    {"String(_topic.array)", "a,b,c"},
    {"Object.prototype.toString.call(_topic.a.list)", "[object Array]"},
    {"Object.prototype.toString.call(_topic.a.o)", "[object Object]"},
    {"_topic.a ? 'yes' : 'no'", "yes"},
    {"_topic.a.len.length", "L"},
    {"_topic.a.list instanceof Array", "true"},
    {"_topic.a.o instanceof Object", "true"},
    {"_topic.a.o.constructor === Object", "true"},
    /* in, length, indices */
    {"'x' in _topic.a", "true"},
    {"'absent' in _topic.a", "false"},
    {"'a' in _topic", "true"},
    {"'absent' in _topic", "false"},
    {"0 in _topic.a.list", "true"},
    {"9 in _topic.a.list", "false"},
    {"_topic.a.list.length", "5"},
    {"_topic.a.none.length", "0"},
    {"_topic.a.list[4].k", "5"},
    {"_topic.a.list[-1]", "undefined"},
    {"_topic.a.list['01']", "undefined"},
    {"_topic.a.list[1.5]", "undefined"},
    {"_topic.a.list[99999999999]", "undefined"},
    /* array methods */
    {"_topic.a.list.slice(1, 3).join()", "2,3"},
    {"_topic.a.list.indexOf('four')", "3"},
    {"_topic.a.list.indexOf(9)", "-1"},
    {"_topic.a.list.lastIndexOf(2)", "1"},
    {"_topic.a.long.map(function (v) { return v * 2; }).join('')", "0246810121416182022"},
    {"_topic.a.long.filter(function (v) { return v > 8; }).join()", "9,10,11"},
    {"_topic.a.long.reduce(function (a, b) { return a + b; })", "66"},
    {"_topic.a.long.reduceRight(function (a, b) { return a + b; }, '')", "11109876543210"},
    {"_topic.a.long.some(function (v) { return v === 11; })", "true"},
    {"_topic.a.long.every(function (v) { return v < 11; })", "false"},
    {"_topic.array.join('+')", "a+b+c"},
    {"Array.prototype.slice.call(_topic.array, 1).join()", "b,c"},
    {"Math.max.apply(null, _topic.a.long)", "11"},
    {LOOP("_topic.array.forEach(function (v, i) { s += i + v; });"), "0a1b2c"},
    {LOOP("for (var i = 0; i < _topic.array.length; i++) s += _topic.array[i];"), "abc"},
    {"[0].concat(_topic.a.list).length", "6"},
    {"_topic.array.concat(_topic.array, 'd', ['e']).join('')", "abcabcde"},
    {"_topic.a.list.concat().length", "5"},
    {"[].concat([1], 2).length", "2"},
    {"Array.isArray(_topic.array)", "true"},
    {"Array.isArray(_topic.a)", "false"},
    {"Array.isArray([])", "true"},
    {"Array.isArray('x')", "false"},
    {"_topic.array.slice().sort().reverse().join('')", "cba"},
    /* keys */
    {"Object.keys(_topic.a.o).sort().join()", "k,z"},
    {"Object.keys(_topic.a.empty).length", "0"},
    {"Object.keys(_topic.array).join()", "0,1,2"},
    {"Object.keys(_topic.a).length", "15"},
    {"Object.keys(_topic).join()", "a,a b.c-1,array,count,number,text"},
    {"Object.keys({p: 1, q: 2}).join()", "p,q"},
    {"Object.getOwnPropertyNames(_topic.array).join()", "0,1,2,length"},
    {"Object.getOwnPropertyNames(_topic.a.o).sort().join()", "k,z"},
    {"_topic.a.hasOwnProperty('x')", "true"},
    {"_topic.a.hasOwnProperty('absent')", "false"},
    {"_topic.a.hasOwnProperty('hasOwnProperty')", "false"},
    {"_topic.hasOwnProperty('a')", "true"},
    {"_topic.hasOwnProperty('absent')", "false"},
    {"Object.prototype.hasOwnProperty.call(_topic.a.list, 4)", "true"},
    {"_topic.a.list.hasOwnProperty(5)", "false"},
    {"_topic.a.list.hasOwnProperty('length')", "true"},
    {"({y: 1}).hasOwnProperty('y')", "true"},
    {"_topic.a.propertyIsEnumerable('x')", "true"},
    {"_topic.array.propertyIsEnumerable('length')", "false"},
    {"Object.getOwnPropertyDescriptor(_topic.a, 'x').value", "7"},
    {"Object.getOwnPropertyDescriptor(_topic.a, 'x').writable", "false"},
    {"Object.getOwnPropertyDescriptor(_topic.a, 'absent')", "undefined"},
    {"Object.getOwnPropertyDescriptor({v: 3}, 'v').value", "3"},
    {"Object.isFrozen(_topic.a)", "true"},
    {"Object.isFrozen({v: 1})", "false"},
    {"Object.isExtensible(_topic.a.o)", "false"},
    {"'toJSON' in _topic.a.len && _topic.a.len.toJSON", "data"},
    /* for in: objects in the order of names, arrays in the order of indices */
    {LOOP("for (var k in _topic.a.o) s += k + _topic.a.o[k];"), "kvz1"},
    {LOOP("for (var k in _topic.a.empty) s += k;"), ""},
    {LOOP("for (var k in _topic.array) s += k + _topic.array[k];"), "0a1b2c"},
    {LOOP("for (var k in _topic.a.long) s += k;"), "01234567891011"},
    {LOOP("for (var k in _topic) s += k + ';';"), "a;a b.c-1;array;count;number;text;"},
    {LOOP("var t = _topic; for (var k in t) s += k + ';';"), "a;a b.c-1;array;count;number;text;"},
    {LOOP("for (var k in _topic.a.deep) for (var i in _topic.a.deep[k]) s += k + i;"), "er0"},
    {LOOP("for (var k in {p: 1, q: 2}) s += k;"), "pq"},
    {LOOP("for (var k in _topic.a.o) if (_topic.a.o.hasOwnProperty(k)) s += k;"), "kz"},
    {LOOP("for (var k in _topic.a.o) s += k; s += Object.keys(_topic.a.o).length;"), "kz2"},
    {LOOP("for (var k in _topic.array) s += k; s += Array.isArray(_topic.array);"), "012true"},
    {LOOP("eval('for (var k in _topic.a.o) s += k;');"), "kz"},
    {"new Function('o', 'var s = \"\"; for (var k in o) s += k; return s;')(_topic.a.o)", "kz"},
    {LOOP("for (var k in _age) s += k + ';';"), "a;a b.c-1;array;count;number;text;"},
    {LOOP("for (var k in _previous) s += k + ';';"), "count;number;"},
    /* JSON */
    {"JSON.stringify(_topic.a.o)", "{\"k\":\"v\",\"z\":1}"},
    {"JSON.stringify(_topic.a.list)", "[1,2,3,\"four\",{\"k\":5}]"},
    {"JSON.stringify(_topic.a.deep)", "{\"er\":[{\"q\":[10,20]}]}"},
    {"JSON.stringify(_topic.a.none)", "[]"},
    {"JSON.stringify(_topic.a.empty)", "{}"},
    {"JSON.stringify(_topic.number)", "42"},
    {"JSON.stringify({in: _topic.a.o, l: [_topic.a.none]})",
     "{\"in\":{\"k\":\"v\",\"z\":1},\"l\":[[]]}"},
    {"JSON.stringify(_topic.a.o, ['z'])", "{\"z\":1}"},
    {"JSON.stringify(_topic).length > 100", "true"},
    {"JSON.parse(JSON.stringify(_topic.a)).deep.er[0].q[0]", "10"},
    {LOOP("for (var k in _topic.a.o) s = JSON.stringify(_topic.a.list);"),
     "[1,2,3,\"four\",{\"k\":5}]"},
    /* identity */
    {"_topic.a === _topic.a", "true"},
    {"_topic.a.o == _topic.a.o", "true"},
    {"_topic.a.o === _topic.a.deep", "false"},
    {"_topic.a.list[4] === _topic.a.list[4]", "true"},
    {"_topic.a.list.indexOf(_topic.a.list[4])", "4"},
    {"[_topic.a.o].indexOf(_topic.a.o)", "0"},
    {LOOP("for (var k in _topic.a.o) s = _topic.a.list[4] === _topic.a.list[4];"), "true"},
    /* read-only */
    {THROWS("_topic.a.x = 1;"), "true"},
    {THROWS("_topic.a.fresh = 1;"), "true"},
    {THROWS("_topic.fresh = 1;"), "true"},
    {THROWS("_topic.a = 1;"), "true"},
    {THROWS("delete _topic.a.x;"), "true"},
    {THROWS("delete _topic.a;"), "true"},
    {THROWS("_topic.array.push(1);"), "true"},
    {THROWS("_topic.array.sort();"), "true"},
    {THROWS("_topic.array[0] = 1;"), "true"},
    {THROWS("_topic.array.length = 0;"), "true"},
    {THROWS("Object.defineProperty(_topic.a, 'x', {value: 1});"), "true"},
    {THROWS("for (var k in _topic.a.o) _topic.a.o[k] = 1;"), "true"},
    {LOOP("_topic = 5; s = typeof _topic;"), "object"},
    /* who may read */
    {"_topic.secret", "undefined"},
    {"'secret' in _topic", "false"},
    {"_topic.hasOwnProperty('secret')", "false"},
    {"_age.secret", "undefined"},
    {"glob('sec*').length", "0"},
    {"JSON.stringify(_topic).indexOf('secret')", "-1"},
    /* the rest of the view */
    {"glob('a*').join()", "a,a b.c-1,array"},
    {"glob('a??ay').join()", "array"},
    {"glob('*').length", "6"},
    {"glob('zzz').length", "0"},
    {"_previous.number", "41"},
    {"_topic.number - _previous.number", "1"},
    {"_previous.a", "undefined"},
    {"_previous.absent", "undefined"},
    {"delta('number')", "1"},
    {"delta('number', '')", "1"},
    {"delta('number', 'x')", "undefined"},
    {"delta('a', 'x')", "undefined"},
    {"delta('absent', 'x')", "undefined"},
    {"delta('secret')", "undefined"},
    {"delta('count', 'if.0.in')", "3"},
    {"delta('count', ['if', 0, 'in'])", "3"},
    {"delta('count', ['if', 0, 'a.b'])", "2"},
    {"delta('count', 'if.0.a.b')", "undefined"},
    {"delta('count', 'if.7.in')", "undefined"},
    {"delta('count', 'big')", "1"},
    {"delta('count', 'wrapped')", "30"},
    {"delta('count', 'reset')", "5"},
    {"delta('count', 'text')", "undefined"},
    {"rate('count', 'wrapped')", "12"},
    {"rate('count', 'if.0.in')", "1.2"},
    {"rate('count', 'absent')", "undefined"},
    {"rate('number') * 8.5", "1"},
    {"_age.number", "1.5"},
    {"_age.a", "10"},
    {"_age.absent", "undefined"},
    {"Math.floor(Date.now() / 1000)", "1000003610"},
    {"new Date().getTime() - Date.now()", "0"},
    {"Math.min(3, 2)", "2"},
    {"parseInt('12px')", "12"},
    {"/^up$/.test(_topic.text)", "true"},
    {"'a,b'.split(',').length", "2"},
    {"[3, 1, 2].sort().join()", "1,2,3"},
    {"[3, 1, 2].sort(function (a, b) { return b - a; }).join()", "3,2,1"},
};

static int64_t fake_wall, fake_mono;

static void pass_ms(int64_t ms)
{
    fake_wall += ms;
    fake_mono += ms;
}

static int setup(void **state)
{
    const uint32_t other = 2;
    struct world *w;

    assert_int_equal(world_setup(state), 0);
    w = *state;
    fake_mono = clock_mono_ms();
    fake_wall = 1000000000000;
    clock_fake(&fake_wall, &fake_mono);
    world_topic(w, 1, "a", topic_a);
    world_topic(w, 2, "number", "41");
    world_topic(w, 3, "text", "\"up\"");
    world_topic(w, 4, "array", "[\"a\",\"b\",\"c\"]");
    world_topic(w, 5, "a b.c-1", "{\"v\":1}");
    assert_int_equal(eval_client_topic_set(w->client, 6, "secret", &other, 1, fake_mono, "1", 1),
                     0);
    world_topic(w, 10, "count",
                "{\"if\":[{\"in\":5,\"a.b\":1}],\"big\":9007199254740992,"
                "\"wrapped\":4294967286,\"reset\":1000000,\"text\":\"1\"}");
    pass_ms(2500);
    fake_wall += 3600000; /* set ahead: no age, no rate */
    world_topic(w, 10, "count",
                "{\"if\":[{\"in\":8,\"a.b\":3}],\"big\":9007199254740993,"
                "\"wrapped\":20,\"reset\":5,\"text\":\"2\"}");
    pass_ms(6000);
    world_topic(w, 2, "number", "42");
    pass_ms(1500);
    return 0;
}

static int teardown(void **state)
{
    clock_fake(NULL, NULL);
    return world_teardown(state);
}

static void check(struct world *w, const char *expression, const char *expected)
{
    char text[1024];

    snprintf(text, sizeof text, "({level: 'OK', value: String(%s)})", expression);
    const struct verdict *v = world_eval(w, text);
    if (v->kind != VERDICT_LEVEL || strcmp(v->value, expected))
        fail_msg("%s\n  gives '%s' %s\n  wanted '%s'", expression, v->value, v->error, expected);
}

static void expressions_have_their_values(void **state)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        check(*state, table[i].expression, table[i].expected);
}

static void whom_a_topic_lists_may_read_it(void **state)
{
    struct world *w = *state;
    const char text[] = "_topic.secret === 1 && 'secret' in _topic && glob('sec*').length === 1";

    assert_int_equal(eval_client_condition_set(w->client, 2, 2, text, strlen(text)), 0);
    world_run(w);
    assert_int_equal(w->verdicts[2].last.kind, VERDICT_TRUE);
}

/* More nodes than the evaluation remembers: reading goes on being right. */
static void a_large_topic_can_be_scanned(void **state)
{
    static char json[1 << 20];
    size_t n = 1;

    json[0] = '[';
    for (int i = 0; i < 20000; i++)
        n += (size_t)snprintf(json + n, sizeof json - n, "%s{\"v\":%d}", i ? "," : "", i);
    snprintf(json + n, sizeof json - n, "]");
    world_topic(*state, 7, "large", json);
    check(*state, "_topic.large[19999].v + _topic.large.length", "39999");
    check(*state, LOOP("s = 0; for (var i = 0; i < 4000; i++) if (_topic.large[i].v === i) s++;"),
          "4000");
}

static void names_come_and_go(void **state)
{
    struct world *w = *state;

    world_topic(w, 8, "fresh", "1");
    check(w, "glob('fr*').join()", "fresh");
    assert_int_equal(eval_client_topic_del(w->client, 8), 0);
    check(w, "glob('fr*').length + String(_topic.fresh)", "0undefined");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(expressions_have_their_values, setup, teardown),
        cmocka_unit_test_setup_teardown(whom_a_topic_lists_may_read_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_topic_can_be_scanned, setup, teardown),
        cmocka_unit_test_setup_teardown(names_come_and_go, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
