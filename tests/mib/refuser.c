/* refuser AGENTX-ADDRESS [OID]: another subagent, written for the tests. It serves one Integer32,
 * at OID (if that is told: with all that is below it), and takes part in SETs as badly as the value
 * tells it to:
 *   OID.1.0 = 1 refused in the test phase, 2 refused in the commit phase, else taken.
 * Prints "ready", and each phase that it hears of. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

/* netSnmpPlaypen.8888, behind the project's default root (netSnmpPlaypen.1 is in front of it) */
static oid refuser_oid[] = {1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 8888, 1};
enum { REFUSE_TEST = 1, REFUSE_COMMIT = 2 };

static long value;
static volatile sig_atomic_t stopped;

static const struct {
    int mode;
    const char *name;
} phase_names[] = {
    {MODE_SET_RESERVE1, "reserve1"}, {MODE_SET_RESERVE2, "reserve2"}, {MODE_SET_ACTION, "action"},
    {MODE_SET_COMMIT, "commit"},     {MODE_SET_UNDO, "undo"},         {MODE_SET_FREE, "free"},
};

static int handle(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                  netsnmp_agent_request_info *info, netsnmp_request_info *requests)
{
    netsnmp_variable_list *vb = requests->requestvb;

    (void)handler, (void)registration;
    for (size_t i = 0; i < sizeof(phase_names) / sizeof(*phase_names); i++)
        if (phase_names[i].mode == info->mode)
            puts(phase_names[i].name);
    if (info->mode == MODE_GET)
        snmp_set_var_typed_value(vb, ASN_INTEGER, &value, sizeof(value));
    else if (info->mode == MODE_SET_RESERVE2 && *vb->val.integer == REFUSE_TEST)
        netsnmp_set_request_error(info, requests, SNMP_ERR_RESOURCEUNAVAILABLE);
    else if (info->mode == MODE_SET_ACTION && *vb->val.integer == REFUSE_COMMIT)
        netsnmp_set_request_error(info, requests, SNMP_ERR_COMMITFAILED);
    else if (info->mode == MODE_SET_ACTION)
        value = *vb->val.integer;
    return SNMP_ERR_NOERROR;
}

static void on_term(int signo)
{
    (void)signo;
    stopped = 1;
}

/* The usual priority, 127. */
static int serve(const char *text)
{
    oid name[MAX_OID_LEN];
    size_t n = MAX_OID_LEN;

    if (!text)
        return netsnmp_register_instance(netsnmp_create_handler_registration(
            "refuser", handle, refuser_oid, OID_LENGTH(refuser_oid), HANDLER_CAN_RWRITE));
    if (!read_objid(text, name, &n))
        return -1;
    return netsnmp_register_handler(
        netsnmp_create_handler_registration("refuser", handle, name, n, HANDLER_CAN_RWRITE));
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: refuser AGENTX-ADDRESS [OID]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGTERM, on_term);
    signal(SIGPIPE, SIG_IGN);
    snmp_enable_stderrlog();
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    netsnmp_ds_set_string(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_X_SOCKET, argv[1]);
    netsnmp_set_mib_directory("");
    setenv("MIBS", "", 1);
    netsnmp_enable_subagent();
    init_agent("refuser");
    if (serve(argv[2]) != MIB_REGISTERED_OK)
        return 1;
    init_snmp("refuser");
    puts("ready");
    while (!stopped)
        agent_check_and_process(1);
    snmp_shutdown("refuser");
    return 0;
}
