#include "mibs/standard.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
#define OID(...) .oid = {__VA_ARGS__}, .noid = sizeof((uint8_t[]){__VA_ARGS__})
#define COLUMN(table, column) .source = STD_COLUMN, .arg = (table) << 8 | (column)

/* The twelve columns of a table of variables (both modules have the same), at TABLE. */
#define VALUE(n, prefix, what, type, kind, ...)                                                    \
    {.name = prefix what "Val", OID(__VA_ARGS__, 1, n), .rows = kind, .syntax = type,              \
     .source = STD_VARIABLE}
#define VARIABLES(prefix, kind, ...)                                                               \
    {.name = prefix "ID", OID(__VA_ARGS__, 1, 2), .rows = kind, .syntax = STD_OID,                 \
     .source = STD_VARIABLE_NAME},                                                                 \
    {.name = prefix "ValueType", OID(__VA_ARGS__, 1, 3), .rows = kind, .syntax = STD_INTEGER32,    \
     .source = STD_VARIABLE_SYNTAX},                                                               \
    VALUE(4, prefix, "Counter32", STD_COUNTER32, kind, __VA_ARGS__),                               \
    VALUE(5, prefix, "Unsigned32", STD_UNSIGNED32, kind, __VA_ARGS__),                             \
    VALUE(6, prefix, "TimeTicks", STD_TICKS, kind, __VA_ARGS__),                                   \
    VALUE(7, prefix, "Integer32", STD_INTEGER32, kind, __VA_ARGS__),                               \
    VALUE(8, prefix, "OctetString", STD_OCTETS, kind, __VA_ARGS__),                                \
    VALUE(9, prefix, "IpAddress", STD_IPADDRESS, kind, __VA_ARGS__),                               \
    VALUE(10, prefix, "Oid", STD_OID, kind, __VA_ARGS__),                                          \
    VALUE(11, prefix, "Counter64", STD_COUNTER64, kind, __VA_ARGS__),                              \
    VALUE(12, prefix, "Opaque", STD_OPAQUE, kind, __VA_ARGS__)

const struct std_object std_objects[] = {
    /* NOTIFICATION-LOG-MIB: nlmConfig, nlmStats */
    {.name = "nlmConfigGlobalEntryLimit", OID(92, 1, 1, 1), .syntax = STD_UNSIGNED32,
     .source = STD_LIMIT, .arg = SYSTEM_HISTORY_MAX_ROWS, .writable = SYSTEM_HISTORY_MAX_ROWS},
    {.name = "nlmConfigGlobalAgeOut", OID(92, 1, 1, 2), .syntax = STD_UNSIGNED32,
     .source = STD_LIMIT_MINUTES, .arg = SYSTEM_HISTORY_MAX_AGE,
     .writable = SYSTEM_HISTORY_MAX_AGE},
    {.name = "nlmConfigLogFilterName", OID(92, 1, 1, 3, 1, 2), .rows = STD_OWNERS,
     .syntax = STD_OCTETS, .source = STD_LIST},
    {.name = "nlmConfigLogEntryLimit", OID(92, 1, 1, 3, 1, 3), .rows = STD_OWNERS,
     .syntax = STD_UNSIGNED32},
    {.name = "nlmConfigLogAdminStatus", OID(92, 1, 1, 3, 1, 4), .rows = STD_OWNERS,
     .syntax = STD_INTEGER32, .arg = 1 /* enabled */},
    {.name = "nlmConfigLogOperStatus", OID(92, 1, 1, 3, 1, 5), .rows = STD_OWNERS,
     .syntax = STD_INTEGER32, .arg = 2 /* operational */},
    {.name = "nlmConfigLogStorageType", OID(92, 1, 1, 3, 1, 6), .rows = STD_OWNERS,
     .syntax = STD_INTEGER32, .arg = STORAGE_READ_ONLY},
    {.name = "nlmConfigLogEntryStatus", OID(92, 1, 1, 3, 1, 7), .rows = STD_OWNERS,
     .syntax = STD_INTEGER32, .arg = ROW_ACTIVE},
    {.name = "nlmStatsGlobalNotificationsLogged", OID(92, 1, 2, 1), .syntax = STD_COUNTER32,
     .source = STD_COUNT, .arg = STD_LOGGED},
    {.name = "nlmStatsGlobalNotificationsBumped", OID(92, 1, 2, 2), .syntax = STD_COUNTER32,
     .source = STD_COUNT, .arg = STD_BUMPED},
    {.name = "nlmStatsLogNotificationsLogged", OID(92, 1, 2, 3, 1, 1), .rows = STD_OWNERS,
     .syntax = STD_COUNTER32, .source = STD_COUNT, .arg = STD_LOGGED},
    {.name = "nlmStatsLogNotificationsBumped", OID(92, 1, 2, 3, 1, 2), .rows = STD_OWNERS,
     .syntax = STD_COUNTER32, .source = STD_COUNT, .arg = STD_BUMPED},
    /* nlmLog */
    {.name = "nlmLogTime", OID(92, 1, 3, 1, 1, 2), .rows = STD_LOG, .syntax = STD_TICKS,
     .source = STD_AT_TIME},
    {.name = "nlmLogDateAndTime", OID(92, 1, 3, 1, 1, 3), .rows = STD_LOG, .syntax = STD_OCTETS,
     .source = STD_AT},
    {.name = "nlmLogEngineID", OID(92, 1, 3, 1, 1, 4), .rows = STD_LOG, .syntax = STD_OCTETS},
    {.name = "nlmLogEngineTAddress", OID(92, 1, 3, 1, 1, 5), .rows = STD_LOG,
     .syntax = STD_OCTETS},
    {.name = "nlmLogEngineTDomain", OID(92, 1, 3, 1, 1, 6), .rows = STD_LOG, .syntax = STD_OID},
    {.name = "nlmLogContextEngineID", OID(92, 1, 3, 1, 1, 7), .rows = STD_LOG,
     .syntax = STD_OCTETS},
    {.name = "nlmLogContextName", OID(92, 1, 3, 1, 1, 8), .rows = STD_LOG, .syntax = STD_OCTETS},
    {.name = "nlmLogNotificationID", OID(92, 1, 3, 1, 1, 9), .rows = STD_LOG, .syntax = STD_OID,
     .source = STD_NOTIFICATION},
    VARIABLES("nlmLogVariable", STD_LOG_VARIABLES, 92, 1, 3, 2),
    /* ALARM-MIB: alarmModel */
    {.name = "alarmModelLastChanged", OID(118, 1, 1, 1), .syntax = STD_TICKS,
     .source = STD_CONFIG_TIME},
    {.name = "alarmModelNotificationId", OID(118, 1, 1, 2, 1, 3), .rows = STD_MODELS,
     .syntax = STD_OID, .source = STD_MODEL_NOTIFICATION},
    {.name = "alarmModelVarbindIndex", OID(118, 1, 1, 2, 1, 4), .rows = STD_MODELS,
     .syntax = STD_UNSIGNED32, .arg = 6 /* saAlertLevel */},
    {.name = "alarmModelVarbindValue", OID(118, 1, 1, 2, 1, 5), .rows = STD_MODELS,
     .syntax = STD_INTEGER32, .source = STD_MODEL_LEVEL},
    {.name = "alarmModelDescription", OID(118, 1, 1, 2, 1, 6), .rows = STD_MODELS,
     .syntax = STD_OCTETS, .source = STD_MODEL_NAME},
    {.name = "alarmModelSpecificPointer", OID(118, 1, 1, 2, 1, 7), .rows = STD_MODELS,
     .syntax = STD_OID, .source = STD_ITU_MODEL_POINTER},
    {.name = "alarmModelVarbindSubtree", OID(118, 1, 1, 2, 1, 8), .rows = STD_MODELS,
     .syntax = STD_OID, COLUMN(SA_ALERT, ALERT_INSTANCE)},
    {.name = "alarmModelResourcePrefix", OID(118, 1, 1, 2, 1, 9), .rows = STD_MODELS,
     .syntax = STD_OID, COLUMN(SA_ALERT, ALERT_DEFINITION)},
    {.name = "alarmModelRowStatus", OID(118, 1, 1, 2, 1, 10), .rows = STD_MODELS,
     .syntax = STD_INTEGER32, .arg = ROW_ACTIVE},
    /* alarmActive */
    {.name = "alarmActiveLastChanged", OID(118, 1, 2, 1), .syntax = STD_TICKS,
     .source = STD_COUNT_TIME, .arg = STD_LAST_CHANGE},
    {.name = "alarmActiveEngineID", OID(118, 1, 2, 2, 1, 4), .rows = STD_ACTIVE,
     .syntax = STD_OCTETS},
    {.name = "alarmActiveEngineAddressType", OID(118, 1, 2, 2, 1, 5), .rows = STD_ACTIVE,
     .syntax = STD_INTEGER32, .arg = 0 /* unknown */},
    {.name = "alarmActiveEngineAddress", OID(118, 1, 2, 2, 1, 6), .rows = STD_ACTIVE,
     .syntax = STD_OCTETS},
    {.name = "alarmActiveContextName", OID(118, 1, 2, 2, 1, 7), .rows = STD_ACTIVE,
     .syntax = STD_OCTETS},
    {.name = "alarmActiveVariables", OID(118, 1, 2, 2, 1, 8), .rows = STD_ACTIVE,
     .syntax = STD_UNSIGNED32, .arg = 11 /* sysUpTime, snmpTrapOID, and of saAlertRaised 9 */},
    {.name = "alarmActiveNotificationID", OID(118, 1, 2, 2, 1, 9), .rows = STD_ACTIVE,
     .syntax = STD_OID, .source = STD_NOTIFICATION},
    {.name = "alarmActiveResourceId", OID(118, 1, 2, 2, 1, 10), .rows = STD_ACTIVE,
     .syntax = STD_OID, .source = STD_RESOURCE},
    {.name = "alarmActiveDescription", OID(118, 1, 2, 2, 1, 11), .rows = STD_ACTIVE,
     .syntax = STD_OCTETS, .source = STD_MESSAGE},
    {.name = "alarmActiveLogPointer", OID(118, 1, 2, 2, 1, 12), .rows = STD_ACTIVE,
     .syntax = STD_OID, .source = STD_LOG_POINTER},
    {.name = "alarmActiveModelPointer", OID(118, 1, 2, 2, 1, 13), .rows = STD_ACTIVE,
     .syntax = STD_OID, .source = STD_MODEL_POINTER},
    {.name = "alarmActiveSpecificPointer", OID(118, 1, 2, 2, 1, 14), .rows = STD_ACTIVE,
     .syntax = STD_OID, .source = STD_ITU_POINTER},
    VARIABLES("alarmActiveVariable", STD_ACTIVE_VARIABLES, 118, 1, 2, 3),
    {.name = "alarmActiveStatsActiveCurrent", OID(118, 1, 2, 4, 1, 1), .rows = STD_OWNERS,
     .syntax = STD_UNSIGNED32, .source = STD_COUNT, .arg = STD_CURRENT},
    {.name = "alarmActiveStatsActives", OID(118, 1, 2, 4, 1, 2), .rows = STD_OWNERS,
     .syntax = STD_COUNTER32, .source = STD_COUNT, .arg = STD_RAISED},
    {.name = "alarmActiveStatsLastRaise", OID(118, 1, 2, 4, 1, 3), .rows = STD_OWNERS,
     .syntax = STD_TICKS, .source = STD_COUNT_TIME, .arg = STD_LAST_RAISE},
    {.name = "alarmActiveStatsLastClear", OID(118, 1, 2, 4, 1, 4), .rows = STD_OWNERS,
     .syntax = STD_TICKS, .source = STD_COUNT_TIME, .arg = STD_LAST_CLEAR},
    {.name = "alarmActiveOverflow", OID(118, 1, 2, 5), .syntax = STD_COUNTER32},
    /* alarmClear */
    {.name = "alarmClearMaximum", OID(118, 1, 3, 1), .syntax = STD_UNSIGNED32,
     .source = STD_LIMIT_OR_MOST, .arg = SYSTEM_HISTORY_MAX_ROWS},
    {.name = "alarmClearEngineID", OID(118, 1, 3, 2, 1, 3), .rows = STD_CLEARED,
     .syntax = STD_OCTETS},
    {.name = "alarmClearEngineAddressType", OID(118, 1, 3, 2, 1, 4), .rows = STD_CLEARED,
     .syntax = STD_INTEGER32, .arg = 0 /* unknown */},
    {.name = "alarmClearEngineAddress", OID(118, 1, 3, 2, 1, 5), .rows = STD_CLEARED,
     .syntax = STD_OCTETS},
    {.name = "alarmClearContextName", OID(118, 1, 3, 2, 1, 6), .rows = STD_CLEARED,
     .syntax = STD_OCTETS},
    {.name = "alarmClearNotificationID", OID(118, 1, 3, 2, 1, 7), .rows = STD_CLEARED,
     .syntax = STD_OID, .source = STD_NOTIFICATION},
    {.name = "alarmClearResourceId", OID(118, 1, 3, 2, 1, 8), .rows = STD_CLEARED,
     .syntax = STD_OID, .source = STD_RESOURCE},
    {.name = "alarmClearLogIndex", OID(118, 1, 3, 2, 1, 9), .rows = STD_CLEARED,
     .syntax = STD_UNSIGNED32, .source = STD_LOG_INDEX},
    {.name = "alarmClearModelPointer", OID(118, 1, 3, 2, 1, 10), .rows = STD_CLEARED,
     .syntax = STD_OID, .source = STD_MODEL_POINTER},
    /* ITU-ALARM-MIB */
    {.name = "ituAlarmEventType", OID(121, 1, 1, 1, 1, 2), .rows = STD_ITU_MODELS,
     .syntax = STD_INTEGER32, .arg = 1 /* other */},
    {.name = "ituAlarmProbableCause", OID(121, 1, 1, 1, 1, 3), .rows = STD_ITU_MODELS,
     .syntax = STD_INTEGER32, .arg = 1024 /* other */},
    {.name = "ituAlarmAdditionalText", OID(121, 1, 1, 1, 1, 4), .rows = STD_ITU_MODELS,
     .syntax = STD_OCTETS, .source = STD_MODEL_NAME},
    {.name = "ituAlarmGenericModel", OID(121, 1, 1, 1, 1, 5), .rows = STD_ITU_MODELS,
     .syntax = STD_OID, .source = STD_MODEL_POINTER},
    {.name = "ituAlarmActiveTrendIndication", OID(121, 1, 2, 1, 1, 1), .rows = STD_ACTIVE,
     .syntax = STD_INTEGER32, .source = STD_TREND},
    {.name = "ituAlarmActiveDetector", OID(121, 1, 2, 1, 1, 2), .rows = STD_ACTIVE,
     .syntax = STD_OID},
    {.name = "ituAlarmActiveServiceProvider", OID(121, 1, 2, 1, 1, 3), .rows = STD_ACTIVE,
     .syntax = STD_OID},
    {.name = "ituAlarmActiveServiceUser", OID(121, 1, 2, 1, 1, 4), .rows = STD_ACTIVE,
     .syntax = STD_OID},
    {.name = "ituAlarmActiveStatsIndeterminateCurrent", OID(121, 1, 2, 2, 1, 1),
     .rows = STD_OWNERS, .syntax = STD_UNSIGNED32, .source = STD_COUNT,
     .arg = STD_CURRENT_AT + LEVEL_UNKNOWN},
    {.name = "ituAlarmActiveStatsCriticalCurrent", OID(121, 1, 2, 2, 1, 2), .rows = STD_OWNERS,
     .syntax = STD_UNSIGNED32, .source = STD_COUNT, .arg = STD_CURRENT_AT + LEVEL_CRITICAL},
    {.name = "ituAlarmActiveStatsMajorCurrent", OID(121, 1, 2, 2, 1, 3), .rows = STD_OWNERS,
     .syntax = STD_UNSIGNED32},
    {.name = "ituAlarmActiveStatsMinorCurrent", OID(121, 1, 2, 2, 1, 4), .rows = STD_OWNERS,
     .syntax = STD_UNSIGNED32, .source = STD_COUNT, .arg = STD_CURRENT_AT + LEVEL_WARNING},
    {.name = "ituAlarmActiveStatsWarningCurrent", OID(121, 1, 2, 2, 1, 5), .rows = STD_OWNERS,
     .syntax = STD_UNSIGNED32, .source = STD_COUNT, .arg = STD_CURRENT_AT + LEVEL_INFO},
    {.name = "ituAlarmActiveStatsIndeterminates", OID(121, 1, 2, 2, 1, 6), .rows = STD_OWNERS,
     .syntax = STD_COUNTER32, .source = STD_COUNT, .arg = STD_RAISED_AT + LEVEL_UNKNOWN},
    {.name = "ituAlarmActiveStatsCriticals", OID(121, 1, 2, 2, 1, 7), .rows = STD_OWNERS,
     .syntax = STD_COUNTER32, .source = STD_COUNT, .arg = STD_RAISED_AT + LEVEL_CRITICAL},
    {.name = "ituAlarmActiveStatsMajors", OID(121, 1, 2, 2, 1, 8), .rows = STD_OWNERS,
     .syntax = STD_COUNTER32},
    {.name = "ituAlarmActiveStatsMinors", OID(121, 1, 2, 2, 1, 9), .rows = STD_OWNERS,
     .syntax = STD_COUNTER32, .source = STD_COUNT, .arg = STD_RAISED_AT + LEVEL_WARNING},
    {.name = "ituAlarmActiveStatsWarnings", OID(121, 1, 2, 2, 1, 10), .rows = STD_OWNERS,
     .syntax = STD_COUNTER32, .source = STD_COUNT, .arg = STD_RAISED_AT + LEVEL_INFO},
};
/* clang-format on */
const size_t std_nobjects = COUNT(std_objects);

const uint32_t std_mib2[] = {1, 3, 6, 1, 2, 1};
const size_t std_nmib2 = COUNT(std_mib2);

const char *const std_module_names[STD_MODULES] = {
    [STD_ALARM_MIB] = "ALARM-MIB",
    [STD_ITU_ALARM_MIB] = "ITU-ALARM-MIB",
    [STD_NOTIFICATION_LOG_MIB] = "NOTIFICATION-LOG-MIB",
};

const struct std_subtree std_subtrees[] = {
    {OID(118, 1), STD_ALARM_MIB, 127},
    {OID(121, 1), STD_ITU_ALARM_MIB, 127},
    {OID(92, 1, 1, 1, 0), STD_NOTIFICATION_LOG_MIB, 50},
    {OID(92, 1, 1, 2, 0), STD_NOTIFICATION_LOG_MIB, 50},
    {OID(92, 1, 1, 3), STD_NOTIFICATION_LOG_MIB, 50},
    {OID(92, 1, 2, 1, 0), STD_NOTIFICATION_LOG_MIB, 50},
    {OID(92, 1, 2, 2, 0), STD_NOTIFICATION_LOG_MIB, 50},
    {OID(92, 1, 2, 3), STD_NOTIFICATION_LOG_MIB, 50},
    {OID(92, 1, 3, 1), STD_NOTIFICATION_LOG_MIB, 50},
    {OID(92, 1, 3, 2), STD_NOTIFICATION_LOG_MIB, 50},
};
const size_t std_nsubtrees = COUNT(std_subtrees);

const struct std_subtree std_roots[STD_MODULES] = {
    {OID(118, 1), STD_ALARM_MIB, 127},
    {OID(121, 1), STD_ITU_ALARM_MIB, 127},
    {OID(92, 1), STD_NOTIFICATION_LOG_MIB, 127},
};

const struct std_state std_states[STD_STATES] = {
    {LEVEL_OK, 1, 1},      {LEVEL_UNKNOWN, 2, 2},  {LEVEL_INFO, 3, 6},
    {LEVEL_WARNING, 4, 5}, {LEVEL_CRITICAL, 6, 3},
};

const struct std_state *std_state_of(enum sa_level level)
{
    for (size_t i = 0; i < STD_STATES; i++)
        if (std_states[i].level == level)
            return &std_states[i];
    return &std_states[0];
}

const struct std_object *std_object_by_name(const char *name)
{
    for (size_t i = 0; i < std_nobjects; i++)
        if (!strcmp(std_objects[i].name, name))
            return &std_objects[i];
    return NULL;
}
