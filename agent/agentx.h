/* Numbers of RFC 2741 section 6.1, which net-snmp installs no header with. */
#ifndef AGENT_AGENTX_H
#define AGENT_AGENTX_H

enum {
    AGENTX_VERSION = 1,
    AGENTX_NETWORK_BYTE_ORDER = 0x10, /* of a header's flags */
    AGENTX_HEADER = 20,               /* octets of a header */
};

enum { /* types */
       AGENTX_GET = 5,
       AGENTX_TEST_SET = 8,
       AGENTX_CLEANUP_SET = 11,
       AGENTX_NOTIFY = 12,
       AGENTX_PING = 13,
       AGENTX_RESPONSE = 18,
};

#endif
