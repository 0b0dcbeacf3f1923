/* The part of the file that neither a kind nor a table describes, as data: the reader, the RELAX NG
 * schema and the manual page walk these. */
#include "config/parse.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define DAY_MS   (24 * 3600 * 1000L)

static const struct property store_attributes[] = {
    {.name = "path",
     .type = PROPERTY_FILE,
     .required = true,
     .max = 1024,
     .help = "Folder of the database; made if absent, its parent must exist."},
    {.name = "mapSize",
     .type = PROPERTY_SIZE,
     .min = 1L << 20,
     .max = 64L << 40,
     .def = "16GiB",
     .help = "Address space kept for the database, its greatest size."},
    {.name = "group",
     .type = PROPERTY_NAME,
     .help =
         "Group whose members may open the database, too: the users of daemon and of snmpd, when "
         "snmpd serves the MIB itself, see snmpalertd(8). Default: only the daemon's user."},
};

static const struct property agentx_attributes[] = {
    {.name = "socket",
     .type = PROPERTY_ADDRESS,
     .min = 1,
     .max = 255,
     .def = "/var/agentx/master",
     .help = "Where snmpd listens for AgentX subagents: /path, unix:/path or tcp:host:port."},
    {.name = "enabled",
     .type = PROPERTY_BOOLEAN,
     .def = "true",
     .help =
         "no: there is no agent process, since snmpd serves the MIB itself by the module that it "
         "loads, see snmpalertd(8)."},
    {.name = "alarmMib",
     .type = PROPERTY_BOOLEAN,
     .def = "true",
     .help = "Whether to serve ALARM-MIB and ITU-ALARM-MIB."},
    {.name = "notificationLogMib",
     .type = PROPERTY_BOOLEAN,
     .def = "true",
     .help = "Whether to serve NOTIFICATION-LOG-MIB, in front of snmpd's own."},
};

static const struct property owner_attributes[] = {
    {.name = "name",
     .type = PROPERTY_NAME,
     .required = true,
     .help = "Name of the owner, the first index of all rows."},
    {.name = "maxDefinitions",
     .type = PROPERTY_NUMBER,
     .min = 0,
     .max = UINT32_MAX,
     .def = "0",
     .help = "How many definitions the owner may have; 0: no limit."},
};

static const struct property source_attributes[] = {
    {.name = "owner", .type = PROPERTY_NAME, .def = "admin", .help = "Whose source it is."},
    {.name = "name",
     .type = PROPERTY_NAME,
     .required = true,
     .help = "Name of the source, with which the names of its topics begin."},
    {.name = "interval",
     .type = PROPERTY_DURATION,
     .min = 100,
     .max = DAY_MS,
     .def = "10s",
     .help = "Time from one poll to the next."},
    {.name = "readers",
     .type = PROPERTY_NAMES,
     .help = "Owners whose conditions may read it, divided by blanks; * for all. Its own owner and "
             "admin always may."},
};

static const struct property handler_attributes[] = {
    {.name = "owner", .type = PROPERTY_NAME, .def = "admin", .help = "Whose handler it is."},
    {.name = "name",
     .type = PROPERTY_NAME,
     .required = true,
     .help = "Name of the handler, as targets call it."},
};

static const struct property row_attributes[] = {
    {.name = "override",
     .type = PROPERTY_BOOLEAN,
     .def = "no",
     .help = "Whether SNMP may change cells of the row (StorageType permanent) or not (readOnly)."},
};

const struct format_element format_store = {"store", store_attributes, COUNT(store_attributes),
                                            "Where state, history and notices are kept."};
const struct format_element format_agentx = {"agentx", agentx_attributes, COUNT(agentx_attributes),
                                             "The SNMP agent that serves SNMPALERT-MIB for us."};
const struct format_element format_owner = {
    "owner", owner_attributes, COUNT(owner_attributes),
    "An owner of definitions, groups and targets; admin is always there."};
const struct format_element format_source = {"source", source_attributes, COUNT(source_attributes),
                                             "Attributes of every source."};
const struct format_element format_handler = {
    "handler", handler_attributes, COUNT(handler_attributes), "Attributes of every handler."};
const struct format_element format_row = {"row", row_attributes, COUNT(row_attributes),
                                          "Attributes of every row."};
