/* Invariant: a pending is in its list exactly while it has a set. */
#include "agent/pending.h"

#include <stdlib.h>

#include "base/log.h"

void pending_end(struct pending *p)
{
    set_free(p->set);
    p->set = NULL;
    if (!p->link)
        return;
    *p->link = p->next;
    if (p->next)
        p->next->link = p->link;
    p->link = NULL;
}

void pending_end_all(struct pending **list)
{
    while (*list)
        pending_end(*list);
}

static void pending_free(void *arg)
{
    struct pending *p = arg;

    pending_end(p);
    free(p);
}

struct pending *pending_new(struct pending **list, struct store *s, const char *name,
                            netsnmp_agent_request_info *info)
{
    struct pending *p = calloc(1, sizeof(*p));
    netsnmp_data_list *node;

    if (!p)
        return NULL;
    p->set = set_new(s, SET_SNMP);
    node = p->set ? netsnmp_create_data_list(name, p, pending_free) : NULL;
    if (!node) {
        pending_free(p);
        return NULL;
    }
    p->next = *list;
    p->link = list;
    if (p->next)
        p->next->link = &p->next;
    *list = p;
    netsnmp_agent_add_list_data(info, node);
    return p;
}

struct pending *pending_of(netsnmp_agent_request_info *info, const char *name)
{
    struct pending *p = netsnmp_agent_get_list_data(info, name);

    return p && p->set ? p : NULL;
}

bool pending_undo(netsnmp_agent_request_info *info, const char *name,
                  netsnmp_request_info *requests, const char *object, const char *what)
{
    struct pending *p = pending_of(info, name);
    struct err e = {.code = ERR_OK};

    if (!p || !p->committed)
        return false;
    if (set_undo(p->set, &e)) {
        log_error(object ? object : set_owner(p->set), "%s cannot be undone: %s", what, e.text);
        netsnmp_set_request_error(info, requests, SNMP_ERR_UNDOFAILED);
    }
    pending_end(p);
    return true;
}

bool pending_finish(netsnmp_agent_request_info *info, const char *name)
{
    struct pending *p = pending_of(info, name);
    bool committed = p && p->committed;

    if (p)
        pending_end(p);
    return committed;
}

static const struct {
    int code, snmp;
} snmp_errors[] = {
    {ERR_WRONG_TYPE, SNMP_ERR_WRONGTYPE},
    {ERR_WRONG_LENGTH, SNMP_ERR_WRONGLENGTH},
    {ERR_WRONG_VALUE, SNMP_ERR_WRONGVALUE},
    {ERR_NO_CREATION, SNMP_ERR_NOCREATION},
    {ERR_INCONSISTENT_VALUE, SNMP_ERR_INCONSISTENTVALUE},
    {ERR_INCONSISTENT_NAME, SNMP_ERR_INCONSISTENTNAME},
    {ERR_NOT_WRITABLE, SNMP_ERR_NOTWRITABLE},
    {ERR_RESOURCE_UNAVAILABLE, SNMP_ERR_RESOURCEUNAVAILABLE},
    {ERR_COMMIT_FAILED, SNMP_ERR_COMMITFAILED},
    {ERR_NOMEM, SNMP_ERR_RESOURCEUNAVAILABLE},
    {ERR_FULL, SNMP_ERR_RESOURCEUNAVAILABLE},
    {ERR_TIMEOUT, SNMP_ERR_RESOURCEUNAVAILABLE},
};

int pending_snmp_error(int code)
{
    for (size_t i = 0; i < sizeof(snmp_errors) / sizeof(*snmp_errors); i++)
        if (snmp_errors[i].code == code)
            return snmp_errors[i].snmp;
    return SNMP_ERR_GENERR;
}
