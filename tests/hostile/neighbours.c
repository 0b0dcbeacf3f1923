#include "tests/hostile/neighbours.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* `@` stands for the condition's own number, `#` for a number of a topic. */
static const char *const patterns[] = {
    "_topic['site.#'].load > @ / 20",
    "var a = false; if (_topic['site.#'].load > 5) a = true; a;",
    "_topic['site.#'].name === 'site number #'",
    "({level: _topic['site.#'].load > 20 ? 'CRITICAL' : 'OK', value: _topic['site.#'].load,"
    " message: 'load of ' + _topic['site.#'].name + ' is ' + _topic['site.#'].load.toFixed(2)})",
    "var l = _topic['site.#'].ports, up = 0; for (var i = 0; i < l.length; i++) if (l[i].up) up++;"
    " ({level: up > 2 ? 'WARNING' : 'INFO', value: up, message: up + ' of ' + l.length})",
    "_topic['site.#'].ports.length > @ % 7",
    "_topic['site.#'].ports[@ % 3].octets > 1000",
    "rate('site.#', 'ports.0.octets') > @",
    "({level: 'INFO', value: delta('site.#', ['ports', 1, 'octets']),"
    " message: String(rate('site.#', 'load'))})",
    "_previous['site.#'].load !== _topic['site.#'].load",
    "_age['site.#'] > @ % 100",
    "glob('site.*').length === 60 && glob('site.1?').length === 10",
    "var n = 0; for (var name in _topic) if (/^site\\./.test(name)) n++; n === 60",
    "var s = ''; for (var k in _topic['site.#']) s += k + ' '; ({level: 'OK', message: s})",
    "({level: 'WARNING', message: JSON.stringify(_topic['site.#'])})",
    "JSON.parse('{\"a\": [1, {\"b\": @}]}').a[1].b === @",
    "({level: 'OK', value: [3, @, 1, 2].sort(function (a, b) { return a - b; }).join()})",
    "'a,b,@,d'.split(',')[2] === '@' && 'x@y'.replace(/(\\d+)/, '<$1>') === 'x<@>y'",
    "/^s(i|t)+e number (\\d+)$/.exec(_topic['site.#'].name)[2] === '#'",
    "({level: 'CRITICAL', value: '\\u20ac @', message: 'gr\\u00fc\\u00dfe\\nfrom # "
    "\\ud83d\\ude00'})",
    "new Date(Date.UTC(2026, @ % 12, 1)).toISOString().slice(5, 7) > '06'",
    "new Date().getUTCFullYear() === 2026",
    "_topic['gone.@']",
    "_topic['site.#'].none.deeper",
    "not_defined_@ + 1",
    "throw new RangeError('number @')",
    "({level: 'UNKNOWN', get message() { throw new Error('message @'); }})",
    "@ * 2",
    "'SKIPPED'",
    "[1, 2, 3].map(function (x) { return x * @; }).reduce(function (a, b) { return a + b; }) === 6 "
    "* @",
    "function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); } fib(@ % 10) > 20",
    "Object.keys({a: 1, b: @}).join() === 'a,b' && ({}).polluted === undefined",
    "typeof leak === 'undefined' && typeof kept === 'undefined' && typeof held === 'undefined'",
    "leak = @; var kept = leak; Object.prototype.polluted = @; Math.max(@, 2) === @",
    "Math.round(Math.sqrt(@ * @)) === @ && isNaN(parseInt('x')) && (255).toString(16) === 'ff'",
    "try { null.x; } catch (e) { ({level: 'INFO', message: e.name + ' @'}) }",
    "_topic['site.#'].text.length > 50 && _topic['site.#'].text.indexOf('end') > 0",
    "encodeURIComponent('\\u00e9 @') === '%C3%A9%20@'",
    "_topic['site.#'] === _topic['site.#'] && Array.isArray(_topic['site.#'].ports)",
    "eval('@ + 1') === @ + 1 && Function('return @')() === @",
};
enum { PATTERNS = sizeof patterns / sizeof *patterns };

void neighbour_text(size_t i, char ret[NEIGHBOUR_TEXT_MAX])
{
    size_t n = 0;

    for (const char *p = patterns[i % PATTERNS]; *p; p++) {
        if (*p == '@')
            n += (size_t)snprintf(ret + n, NEIGHBOUR_TEXT_MAX - n, "%zu", i);
        else if (*p == '#')
            n += (size_t)snprintf(ret + n, NEIGHBOUR_TEXT_MAX - n, "%zu", i % NEIGHBOUR_TOPICS);
        else
            ret[n++] = *p;
        if (n >= NEIGHBOUR_TEXT_MAX - 16)
            abort();
    }
    ret[n] = 0;
}

void neighbour_topic_name(size_t i, char *ret, size_t cap)
{
    snprintf(ret, cap, "site.%zu", i);
}

char *neighbour_topic_json(size_t i, unsigned sample)
{
    unsigned ports = 3 + (unsigned)(i * 7 + sample * 13) % 40, octets = sample * 1000;
    struct buf b;

    buf_init(&b, 1 << 20);
    buf_printf(&b, "{\"name\":\"site number %zu\",\"load\":%u.5,\"ports\":[", i,
               (unsigned)(i + sample * 11) % 50);
    for (unsigned k = 0; k < ports; k++)
        buf_printf(&b, "%s{\"up\":%s,\"octets\":%u}", k ? "," : "",
                   (i + k + sample) % 3 ? "true" : "false", octets + k);
    buf_printf(&b, "],\"text\":\"%0*dend\"}", 20 + (int)(sample * 997 % 3000), 0);
    char *json = b.err ? NULL : strdup(buf_cstr(&b));
    buf_release(&b);
    return json;
}
