/* Values of SNMP answers: whatever the octets, the JSON form is a valid document and the text form
 * valid UTF-8. Texts of requests: an OID that parses prints as itself. */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "snmp/value.h"
#include "tests/fuzz/fuzz.h"

static void show(const struct snmp_value *v)
{
    struct buf text, json;
    struct err e;
    jv *root;

    buf_init(&text, 1 << 20);
    buf_init(&json, 1 << 20);
    snmp_value_text(v, &text);
    snmp_value_json(v, &json);
    REQUIRE(text.err == 0 && json.err == 0 && utf8_valid(text.data, text.len));
    root = jv_parse(json.data, json.len, &e);
    REQUIRE(root != NULL);
    jv_free(root);
    buf_release(&text);
    buf_release(&json);
}

static void answer(enum snmp_type type, const uint8_t *data, size_t size)
{
    struct snmp_value v = {.type = type};
    uint64_t number = 0;

    memcpy(&number, data, size < 8 ? size : 8);
    switch (type) {
    case SNMP_TYPE_OCTETS:
    case SNMP_TYPE_OPAQUE:
        v.octets = (struct slice){data, size};
        break;
    case SNMP_TYPE_IPADDRESS:
        v.octets = (struct slice){(const uint8_t *)&number, 4};
        break;
    case SNMP_TYPE_OBJID:
        for (size_t i = 0; i < size && i < OBJID_MAX; i++)
            v.objid.subids[v.objid.n++] = data[i] == 255 ? UINT32_MAX : data[i];
        break;
    case SNMP_TYPE_FLOAT:
    case SNMP_TYPE_DOUBLE:
        memcpy(&v.real, &number, sizeof v.real);
        break;
    case SNMP_TYPE_INTEGER:
    case SNMP_TYPE_INTEGER64:
        v.integer = (int64_t)number;
        break;
    default:
        v.unsigned_ = number;
    }
    show(&v);
}

static void request(enum snmp_type type, const char *text)
{
    char again[OBJID_TEXT_MAX + 1];
    struct snmp_value v;
    struct objid o, back;
    struct buf scratch;
    struct err e;

    buf_init(&scratch, 1 << 17);
    if (snmp_value_parse(&v, type, text, &scratch, &e) == 0)
        show(&v);
    if (objid_parse(&o, text, &e) == 0) {
        REQUIRE(o.n >= 2 && o.n <= OBJID_MAX);
        REQUIRE(objid_text(o.subids, o.n, again, sizeof again) > 0);
        REQUIRE(objid_parse(&back, again, &e) == 0 && objid_compare(&o, &back) == 0);
    }
    buf_release(&scratch);
}

FUZZ_TARGET(snmp)
{
    char text[2048];
    enum snmp_type type;

    if (size == 0)
        return 0;
    type = (enum snmp_type)(data[0] % (SNMP_TYPE_END_OF_MIB_VIEW + 1));
    answer(type, data + 1, size - 1);
    if (size < sizeof text) {
        memcpy(text, data + 1, size - 1);
        text[size - 1] = '\0';
        request(type, text);
    }
    return 0;
}
