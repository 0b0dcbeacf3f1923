/* The errors name file, line, what is wrong and what was expected, exactly as the user reads them.
 */
#include "tests/unit/config/bad_files.h"

#define WRAP(body)                                                                                 \
    "<snmpalertd xmlns=\"urn:snmpalertd:config\">\n<store path=\"/s\"/>\n" body "</snmpalertd>\n"
#define X16   "xxxxxxxxxxxxxxxx"
#define X256  X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16
#define X1025 X256 X256 X256 X256 "x"

const struct bad_file bad_files[] = {
    {true, "", "t.xml:1: the file is empty; expected <snmpalertd xmlns=\"urn:snmpalertd:config\">"},
    {true, "hello", "t.xml:1: not well-formed XML: Start tag expected, '<' not found"},
    {true, "<snmpalertd",
     "t.xml:1: <snmpalertd> is not in our namespace; expected <snmpalertd "
     "xmlns=\"urn:snmpalertd:config\">"},
    {true,
     "<snmpalertd xmlns=\"urn:snmpalertd:config\">\n"
     "<store path=\"/s\"/>\n",
     "t.xml:3: not well-formed XML: Premature end of data in tag snmpalertd line 1"},
    {true,
     WRAP("<sources>\n"
          "</handlers>\n"),
     "t.xml:4: not well-formed XML: Opening and ending tag mismatch: sources line 3 and handlers"},
    {true,
     WRAP("<owners>\n"
          "<owner name=\"a\" name=\"b\"/></owners>\n"),
     "t.xml:4: not well-formed XML: Attribute name redefined"},
    {true, WRAP("<owners><owner name=\"a&b\"/></owners>\n"),
     "t.xml:3: not well-formed XML: EntityRef: expecting ';'"},
    {true, WRAP("<owners><owner name=\"&admin;\"/></owners>\n"),
     "t.xml:3: not well-formed XML: Entity 'admin' not defined"},
    {false,
     "<!DOCTYPE snmpalertd [<!ENTITY a \"b\">]>\n"
     "<snmpalertd xmlns=\"urn:snmpalertd:config\"><store path=\"/s\"/></snmpalertd>\n",
     "t.xml:1: a document type (<!DOCTYPE>) is not allowed; expected <snmpalertd "
     "xmlns=\"urn:snmpalertd:config\">"},
    {true,
     "<!DOCTYPE snmpalertd SYSTEM \"file:///etc/passwd\">\n"
     "<snmpalertd/>\n",
     "t.xml:1: a document type (<!DOCTYPE>) is not allowed; expected <snmpalertd "
     "xmlns=\"urn:snmpalertd:config\">"},
    {false,
     "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n"
     "<snmpalertd xmlns=\"urn:snmpalertd:config\"><store path=\"/s\"/></snmpalertd>\n",
     "t.xml:1: the encoding is ISO-8859-1; expected UTF-8"},
    {true,
     WRAP("<owners>\n"
          "<owner name=\"\xff"
          "\"/></owners>\n"),
     "t.xml:4: expected UTF-8 text, not other octets"},
    {true,
     "<snmpalertd>\n"
     "<store path=\"/s\"/>\n"
     "</snmpalertd>\n",
     "t.xml:1: <snmpalertd> is not in our namespace; expected <snmpalertd "
     "xmlns=\"urn:snmpalertd:config\">"},
    {true,
     "<snmpalertd xmlns=\"urn:other\">\n"
     "<store path=\"/s\"/>\n"
     "</snmpalertd>\n",
     "t.xml:1: <snmpalertd> is not in our namespace; expected <snmpalertd "
     "xmlns=\"urn:snmpalertd:config\">"},
    {true, "<snmpalert xmlns=\"urn:snmpalertd:config\"/>\n",
     "t.xml:1: the root element is <snmpalert>; expected <snmpalertd>"},
    {true, WRAP("<x:note xmlns:x=\"urn:note\"/>\n"),
     "t.xml:3: <note> is not in our namespace; expected <snmpalertd "
     "xmlns=\"urn:snmpalertd:config\">"},
    {true, WRAP("<a><b><c><d><e><f><g><h/></g></f></e></d></c></b></a>\n"),
     "t.xml:3: <h> is nested too deeply; expected at most 8 levels"},
    {true,
     WRAP("<a a0=\"\" a1=\"\" a2=\"\" a3=\"\" a4=\"\" a5=\"\" a6=\"\" a7=\"\" a8=\"\" a9=\"\" "
          "a10=\"\" a11=\"\" a12=\"\" a13=\"\" a14=\"\" a15=\"\" a16=\"\" a17=\"\" a18=\"\" "
          "a19=\"\" a20=\"\" a21=\"\" a22=\"\" a23=\"\" a24=\"\" a25=\"\" a26=\"\" a27=\"\" "
          "a28=\"\" a29=\"\" a30=\"\" a31=\"\" a32=\"\" a33=\"\" a34=\"\" a35=\"\" a36=\"\" "
          "a37=\"\" a38=\"\" a39=\"\" a40=\"\" a41=\"\" a42=\"\" a43=\"\" a44=\"\" a45=\"\" "
          "a46=\"\" a47=\"\" a48=\"\" a49=\"\" a50=\"\" a51=\"\" a52=\"\" a53=\"\" a54=\"\" "
          "a55=\"\" a56=\"\" a57=\"\" a58=\"\" a59=\"\" a60=\"\" a61=\"\" a62=\"\" a63=\"\" "
          "a64=\"\"/>\n"),
     "t.xml:3: <a> has too many attributes; expected at most 64"},
    {true,
     "<snmpalertd xmlns=\"urn:snmpalertd:config\">\n"
     "</snmpalertd>\n",
     "t.xml:1: <snmpalertd> needs the element <store>: Where state, history and notices are kept."},
    {true,
     "<snmpalertd xmlns=\"urn:snmpalertd:config\" version=\"1\">\n"
     "<store path=\"/s\"/></snmpalertd>\n",
     "t.xml:1: unknown attribute 'version' of <snmpalertd>; expected none"},
    {true,
     WRAP("\n"
          "  some text\n"),
     "t.xml:4: text in <snmpalertd>; expected elements and attributes only"},
    {true, WRAP("<handler/>\n"),
     "t.xml:3: unknown element <handler> in <snmpalertd>; did you mean <handlers>?"},
    {true, WRAP("<zzzzzz/>\n"),
     "t.xml:3: unknown element <zzzzzz> in <snmpalertd>; expected one of <store>, <agentx>, "
     "<owners>, <sources>, <handlers>, <rows>"},
    {true,
     WRAP("<owners/>\n"
          "<sources/>\n"
          "<owners/>\n"),
     "t.xml:5: <owners> is already on line 3; expected it once"},
    {true,
     "<snmpalertd xmlns=\"urn:snmpalertd:config\">\n"
     "<store/>\n"
     "</snmpalertd>\n",
     "t.xml:2: <store> needs the attribute 'path': Folder of the database; made if absent, its "
     "parent must exist."},
    {true,
     "<snmpalertd xmlns=\"urn:snmpalertd:config\">\n"
     "<store path=\"db\"/>\n"
     "</snmpalertd>\n",
     "t.xml:2: 'path' of <store> is 'db'; expected the absolute path of a file"},
    {true,
     "<snmpalertd xmlns=\"urn:snmpalertd:config\">\n"
     "<store path=\"/s\" mapSize=\"16GB\"/>\n"
     "</snmpalertd>\n",
     "t.xml:2: 'mapSize' of <store> is '16GB'; expected a size from 1MiB to 64TiB, such as 16GiB"},
    {false,
     "<snmpalertd xmlns=\"urn:snmpalertd:config\">\n"
     "<store path=\"/s\" mapSize=\"1KiB\"/>\n"
     "</snmpalertd>\n",
     "t.xml:2: 'mapSize' of <store> is '1KiB'; expected a size from 1MiB to 64TiB, such as 16GiB"},
    {true,
     "<snmpalertd xmlns=\"urn:snmpalertd:config\">\n"
     "<store path=\"/s\"><x/></store>\n"
     "</snmpalertd>\n",
     "t.xml:2: unknown element <x> in <store>; expected none"},
    {true,
     "<snmpalertd xmlns=\"urn:snmpalertd:config\">\n"
     "<store path=\"/s\">/s</store>\n"
     "</snmpalertd>\n",
     "t.xml:2: text in <store>; expected elements and attributes only"},
    {true, WRAP("<agentx socket=\"var/agentx/master\"/>\n"),
     "t.xml:3: 'socket' of <agentx> is 'var/agentx/master'; expected /path, unix:/path or "
     "tcp:host:port"},
    {false, WRAP("<agentx socket=\"tcp:localhost:0\"/>\n"),
     "t.xml:3: 'socket' of <agentx> is 'tcp:localhost:0'; expected /path, unix:/path or "
     "tcp:host:port"},
    {true, WRAP("<agentx enabled=\"maybe\"/>\n"),
     "t.xml:3: 'enabled' of <agentx> is 'maybe'; expected true or false"},
    {true, WRAP("<agentx sockte=\"/var/agentx/master\"/>\n"),
     "t.xml:3: unknown attribute 'sockte' of <agentx>; did you mean 'socket'?"},
    {true, WRAP("<owners limit=\"1\"/>\n"),
     "t.xml:3: unknown attribute 'limit' of <owners>; expected none"},
    {true,
     WRAP("<owners>\n"
          "<owner/>\n"
          "</owners>\n"),
     "t.xml:4: <owner> needs the attribute 'name': Name of the owner, the first index of all "
     "rows."},
    {true,
     WRAP("<owners>\n"
          "<owner name=\"\"/>\n"
          "</owners>\n"),
     "t.xml:4: 'name' of <owner> is ''; expected a name of 1 to 32 octets"},
    {true,
     WRAP("<owners>\n"
          "<owner name=\"123456789012345678901234567890123\"/>\n"
          "</owners>\n"),
     "t.xml:4: 'name' of <owner> is '123456789012345678901234567890123'; expected a name of 1 to "
     "32 octets"},
    {true,
     WRAP("<owners>\n"
          "<user name=\"bob\"/>\n"
          "</owners>\n"),
     "t.xml:4: unknown element <user> in <owners>; expected <owner>"},
    {true,
     WRAP("<owners>\n"
          "<owner name=\"bob\" maxDefinitions=\"-1\"/>\n"
          "</owners>\n"),
     "t.xml:4: 'maxDefinitions' of <owner> is '-1'; expected a number from 0 to 4294967295"},
    {true,
     WRAP("<owners>\n"
          "<owner name=\"bob\" maxDefinitions=\"many\"/>\n"
          "</owners>\n"),
     "t.xml:4: 'maxDefinitions' of <owner> is 'many'; expected a number from 0 to 4294967295"},
    {false,
     WRAP("<owners>\n"
          "<owner name=\"bob\"/>\n"
          "<owner name=\"alice\"/>\n"
          "<owner name=\"bob\"/>\n"
          "</owners>\n"),
     "t.xml:6: <owner> 'bob' is already on line 4; expected it once"},
    {false,
     WRAP("<owners>\n"
          "<owner name=\"admin\"/>\n"
          "<owner name=\"admin\"/>\n"
          "</owners>\n"),
     "t.xml:5: <owner> 'admin' is already on line 4; expected it once"},
    {true,
     WRAP("<owners>\n"
          "<owner name=\"bob\">bob</owner>\n"
          "</owners>\n"),
     "t.xml:4: text in <owner>; expected elements and attributes only"},
    {true,
     WRAP("<sources>\n"
          "<snpm name=\"r\" host=\"h\"/>\n"
          "</sources>\n"),
     "t.xml:4: unknown element <snpm> in <sources>; did you mean <snmp>?"},
    {true,
     WRAP("<sources>\n"
          "<smtp name=\"r\" host=\"h\"/>\n"
          "</sources>\n"),
     "t.xml:4: unknown element <smtp> in <sources>; expected one of <snmp>, <http>"},
    {true,
     WRAP("<sources>\n"
          "<snmp host=\"h\"/>\n"
          "</sources>\n"),
     "t.xml:4: <snmp> needs the attribute 'name': Name of the source, with which the names of its "
     "topics begin."},
    {true,
     WRAP("<sources>\n"
          "<snmp name=\"r\"/>\n"
          "</sources>\n"),
     "t.xml:4: <snmp> needs the attribute 'host': Agent."},
    {true,
     WRAP("<sources>\n"
          "<snmp name=\"r\"\n"
          "  host=\"h\"\n"
          "  comunity=\"public\"/>\n"
          "</sources>\n"),
     "t.xml:6: unknown attribute 'comunity' of <snmp>; did you mean 'community'?"},
    {true,
     WRAP("<sources>\n"
          "<snmp name=\"r\" host=\"h\" version=\"2\"/>\n"
          "</sources>\n"),
     "t.xml:4: 'version' of <snmp> is '2'; expected one of 1, 2c, 3"},
    {true,
     WRAP("<sources>\n"
          "<snmp name=\"r\" host=\"h\" interval=\"10 s\"/>\n"
          "</sources>\n"),
     "t.xml:4: 'interval' of <snmp> is '10 s'; expected a duration from 100ms to 24h, such as "
     "500ms, 10s, 5m"},
    {false,
     WRAP("<sources>\n"
          "<snmp name=\"r\" host=\"h\" interval=\"50ms\"/>\n"
          "</sources>\n"),
     "t.xml:4: 'interval' of <snmp> is '50ms'; expected a duration from 100ms to 24h, such as "
     "500ms, 10s, 5m"},
    {false,
     WRAP("<sources>\n"
          "<snmp name=\"r\" host=\"h\" interval=\"2d\"/>\n"
          "</sources>\n"),
     "t.xml:4: 'interval' of <snmp> is '2d'; expected a duration from 100ms to 24h, such as 500ms, "
     "10s, 5m"},
    {false,
     WRAP("<sources>\n"
          "<snmp name=\"r\" host=\"h\" owner=\"bob\"/>\n"
          "</sources>\n"),
     "t.xml:4: 'owner' of <snmp> names 'bob', which is not in <owners>; expected 'admin'"},
    {false,
     WRAP("<owners><owner name=\"alice\"/></owners>\n"
          "<sources>\n"
          "<snmp name=\"r\" host=\"h\"\n"
          "   readers=\"alice alise\"/>\n"
          "</sources>\n"),
     "t.xml:6: 'readers' of <snmp> names 'alise', which is not in <owners>; did you mean 'alice'?"},
    {false,
     WRAP("<sources>\n"
          "<snmp name=\"r\" host=\"h\"/>\n"
          "<http name=\"r\" url=\"http://h/\"/>\n"
          "</sources>\n"),
     "t.xml:5: source 'r' of owner 'admin' is already on line 4; expected it once"},
    {true,
     WRAP("<sources>\n"
          "<snmp name=\"r\" host=\"h\"><got name=\"a\" oid=\"1.3.6\"/></snmp>\n"
          "</sources>\n"),
     "t.xml:4: unknown element <got> in <snmp>; did you mean <get>?"},
    {true,
     WRAP("<sources>\n"
          "<snmp name=\"r\" host=\"h\">\n"
          "<get name=\"a\"/></snmp>\n"
          "</sources>\n"),
     "t.xml:5: <get> needs the attribute 'oid': Instance to read."},
    {true,
     WRAP("<sources>\n"
          "<snmp name=\"r\" host=\"h\">\n"
          "<get name=\"a\" oid=\"sysUpTime.0\"/></snmp>\n"
          "</sources>\n"),
     "t.xml:5: 'oid' of <get> is 'sysUpTime.0'; expected an OID in numbers, such as "
     "1.3.6.1.2.1.1.3.0"},
    {false,
     WRAP("<sources>\n"
          "<snmp name=\"r\" host=\"h\">\n"
          "<get name=\"a\" oid=\"1.40\"/></snmp>\n"
          "</sources>\n"),
     "t.xml:5: 'oid' of <get> is '1.40'; expected an OID in numbers, such as 1.3.6.1.2.1.1.3.0"},
    {true,
     WRAP("<sources>\n"
          "<snmp name=\"r\" host=\"h\">\n"
          "<table name=\"a\" oid=\"1.3.6\"/></snmp>\n"
          "</sources>\n"),
     "t.xml:5: <table> needs the attribute 'columns': name=arc ..."},
    {false,
     WRAP("<sources>\n"
          "<snmp name=\"r\" host=\"h\">\n"
          "<get name=\"a\" oid=\"1.3.6\"/>\n"
          "<table name=\"a\" oid=\"1.3.6\" columns=\"x=1\"/></snmp>\n"
          "</sources>\n"),
     "t.xml:6: <table> name 'a' is already on line 5; expected it once"},
    {true,
     WRAP("<sources>\n"
          "<snmp name=\"r\" host=\"h\">\n"
          "<get name=\"a\" oid=\"1.3.6\">1</get></snmp>\n"
          "</sources>\n"),
     "t.xml:5: text in <get>; expected elements and attributes only"},
    {false,
     WRAP("<sources>\n"
          "<snmp name=\"r\" host=\"h\">\n"
          "<table name=\"a\" oid=\"1.3.6\" columns=\"x\"/></snmp>\n"
          "</sources>\n"),
     "t.xml:5: <table>: expected columns as name=arc"},
    {true,
     WRAP("<sources>\n"
          "<http name=\"r\" url=\"http://h/\"><get/></http>\n"
          "</sources>\n"),
     "t.xml:4: unknown element <get> in <http>; expected none"},
    {true,
     WRAP("<sources>\n"
          "<http name=\"r\" url=\"\"/>\n"
          "</sources>\n"),
     "t.xml:4: 'url' of <http> is ''; expected a text that is not empty"},
    {true,
     WRAP("<sources>\n"
          "<http name=\"r\" url=\"http://h/\">text</http>\n"
          "</sources>\n"),
     "t.xml:4: text in <http>; expected elements and attributes only"},
    {true,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\" prot=\"25\"/>\n"
          "</handlers>\n"),
     "t.xml:4: unknown attribute 'prot' of <smtp>; did you mean 'port'?"},
    {true,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\" port=\"70000\"/>\n"
          "</handlers>\n"),
     "t.xml:4: 'port' of <smtp> is '70000'; expected a number from 1 to 65535"},
    {false,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\" port=\" 25\"/>\n"
          "</handlers>\n"),
     "t.xml:4: 'port' of <smtp> is ' 25'; expected a number from 1 to 65535"},
    {true,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\" encryption=\"TLS\"/>\n"
          "</handlers>\n"),
     "t.xml:4: 'encryption' of <smtp> is 'TLS'; expected one of none, tls, ssl"},
    {true,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\" verify=\"maybe\"/>\n"
          "</handlers>\n"),
     "t.xml:4: 'verify' of <smtp> is 'maybe'; expected true or false"},
    {true,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\" passwordFile=\"secret\"/>\n"
          "</handlers>\n"),
     "t.xml:4: 'passwordFile' of <smtp> is 'secret'; expected the absolute path of a file"},
    {true,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\" password=\"a secret that must not be shown to anybody\"/>\n"
          "</handlers>\n"),
     "t.xml:4: 'password' of <smtp>: expected a text of 0 to 32 octets"},
    {false,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\"\n"
          " auth=\"password\"/>\n"
          "</handlers>\n"),
     "t.xml:4: <smtp> 'm': auth='password' needs a passwordFile"},
    {true,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"\"/>\n"
          "</handlers>\n"),
     "t.xml:4: 'host' of <smtp> is ''; expected a text that is not empty"},
    {true,
     WRAP("<handlers>\n"
          "<smtp xml:lang=\"en\" name=\"m\" host=\"h\"/>\n"
          "</handlers>\n"),
     "t.xml:4: unknown attribute 'xml:lang' of <smtp>; expected one of 'owner', 'name', 'host', "
     "'port', 'encryption', 'auth', 'username', 'password', 'passwordFile', 'timeout', 'verify', "
     "'subject', 'html'"},
    {false,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\" subject=\"${lvel}\"/>\n"
          "</handlers>\n"),
     "t.xml:4: 'subject' of <smtp> is '${lvel}'; column 3: unknown name 'lvel'; did you mean "
     "'level'?"},
    {false,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\">\n"
          "<html><![CDATA[\n"
          "<p>${message}</p>\n"
          "  <a href=${url}>x</a>\n"
          "]]></html></smtp></handlers>\n"),
     "t.xml:7: 'html' of <smtp>: line 2, column 10: an attribute that is not written "
     "name=\"value\""},
    {false,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\" html=\"\">\n"
          "<html>x</html></smtp></handlers>\n"),
     "t.xml:5: 'html' of <smtp> is given twice; expected it once"},
    {true,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\"><html><p>x</p></html></smtp></handlers>\n"),
     "t.xml:4: unknown element <p> in <html>; expected none"},
    {true,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\">text</smtp></handlers>\n"),
     "t.xml:4: text in <smtp>; expected elements and attributes only"},
    {true,
     WRAP("<handlers>\n"
          "<pager name=\"m\"/>\n"
          "</handlers>\n"),
     "t.xml:4: unknown element <pager> in <handlers>; expected one of <smtp>, <trap>, <all>, <sum>, "
     "<post>"},
    {false,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\"/>\n"
          "<smtp name=\"n\" host=\"h\"/>\n"
          "<smtp name=\"m\" owner=\"admin\" host=\"h\"/>\n"
          "</handlers>\n"),
     "t.xml:6: handler 'm' of owner 'admin' is already on line 4; expected it once"},
    {false,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\" owner=\"amin\"/>\n"
          "</handlers>\n"),
     "t.xml:4: 'owner' of <smtp> names 'amin', which is not in <owners>; did you mean 'admin'?"},
    {true,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\"><x/></smtp>\n"
          "</handlers>\n"),
     "t.xml:4: unknown element <x> in <smtp>; expected one of <subject>, <html>"},
    {true,
     WRAP("<rows>\n"
          "<defintion name=\"d\"/>\n"
          "</rows>\n"),
     "t.xml:4: unknown element <defintion> in <rows>; did you mean <definition>?"},
    {true,
     WRAP("<rows>\n"
          "<alert name=\"d\"/>\n"
          "</rows>\n"),
     "t.xml:4: unknown element <alert> in <rows>; expected one of <definition>, <script>, "
     "<scriptText>, <group>, <groupDefinition>, <groupTarget>, <target>, <targetProperty>"},
    {true,
     WRAP("<rows>\n"
          "<definition condition=\"true\"/>\n"
          "</rows>\n"),
     "t.xml:4: <definition> needs the attribute 'name', a part of its index"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\" conditoin=\"true\"/>\n"
          "</rows>\n"),
     "t.xml:4: unknown attribute 'conditoin' of <definition>; did you mean 'condition'?"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\" level=\"ok\"/>\n"
          "</rows>\n"),
     "t.xml:4: unknown attribute 'level' of <definition>; expected one of 'owner', 'name', "
     "'condition', 'script', 'severity', 'service', 'intervalMillis', 'timeThresholdMillis', "
     "'noData', 'onError', 'staleMultiplier', 'notifyRecovery', 'description', 'disabled', "
     "'url', ..."},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\" severity=\"fatal\"/>\n"
          "</rows>\n"),
     "t.xml:4: 'severity' of <definition> is 'fatal'; expected one of info, warning, critical"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\" intervalMillis=\"10x\"/>\n"
          "</rows>\n"),
     "t.xml:4: 'intervalMillis' of <definition> is '10x'; expected a number from 1000 to 86400000 "
     "(milliseconds) or a duration such as 10s"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\" intervalMillis=\"999\"/>\n"
          "</rows>\n"),
     "t.xml:4: 'intervalMillis' of <definition> is '999'; expected a number from 1000 to 86400000 "
     "(milliseconds) or a duration such as 10s"},
    {false,
     WRAP("<rows>\n"
          "<definition name=\"d\" intervalMillis=\"25h\"/>\n"
          "</rows>\n"),
     "t.xml:4: 'intervalMillis' of <definition> is '25h'; expected a number from 1000 to 86400000 "
     "(milliseconds) or a duration such as 10s"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\" staleMultiplier=\"10s\"/>\n"
          "</rows>\n"),
     "t.xml:4: 'staleMultiplier' of <definition> is '10s'; expected a number from 1 to 1000"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\" disabled=\"ja\"/>\n"
          "</rows>\n"),
     "t.xml:4: 'disabled' of <definition> is 'ja'; expected true or false"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\" service=\"123456789012345678901234567890123\"/>\n"
          "</rows>\n"),
     "t.xml:4: 'service' of <definition> is '123456789012345678901234567890123'; expected a name "
     "of 0 to 32 octets"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\" description=\"" X256 "\"/>\n"
          "</rows>\n"),
     "t.xml:4: 'description' of <definition> is 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'; "
     "expected a text of 0 to 255 octets"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\">true</definition>\n"
          "</rows>\n"),
     "t.xml:4: text in <definition>; expected elements and attributes only"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\">\n"
          "<severity>info</severity></definition>\n"
          "</rows>\n"),
     "t.xml:5: unknown element <severity> in <definition>; expected one of <condition>, "
     "<description>, <url>, <recipients>, <critCondition>, <critReset>, <warnCondition>, "
     "<warnReset>, <infoCondition>, <infoReset>"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\">\n"
          "<condition lang=\"js\">true</condition></definition>\n"
          "</rows>\n"),
     "t.xml:5: unknown attribute 'lang' of <condition>; expected none"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\">\n"
          "<condition><b/></condition></definition>\n"
          "</rows>\n"),
     "t.xml:5: unknown element <b> in <condition>; expected none"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\" condition=\"true\">\n"
          "<condition>true</condition></definition>\n"
          "</rows>\n"),
     "t.xml:5: 'condition' of <definition> is given twice; expected it once"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\">\n"
          "<condition>true</condition>\n"
          "<condition>true</condition></definition>\n"
          "</rows>\n"),
     "t.xml:6: 'condition' of <definition> is given twice; expected it once"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\">\n"
          "<condition>" X1025 "</condition></definition>\n"
          "</rows>\n"),
     "t.xml:5: 'condition' of <definition> is 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'; "
     "expected a text of 0 to 1024 octets"},
    {false,
     WRAP("<rows>\n"
          "<definition owner=\"bob\" name=\"d\"/>\n"
          "</rows>\n"),
     "t.xml:4: 'owner' of <definition> names 'bob', which is not in <owners>; expected 'admin'"},
    {true,
     WRAP("<rows>\n"
          "<definition name=\"d\" override=\"perhaps\"/>\n"
          "</rows>\n"),
     "t.xml:4: 'override' of <definition> is 'perhaps'; expected true or false"},
    {true,
     WRAP("<rows>\n"
          "<target name=\"t\"/>\n"
          "</rows>\n"),
     "t.xml:4: <target> needs the attribute 'handler': Name of the handler that delivers to this "
     "target: one of the owner's own, else one of admin's."},
    {true,
     WRAP("<rows>\n"
          "<target name=\"t\" handler=\"\"/>\n"
          "</rows>\n"),
     "t.xml:4: 'handler' of <target> is ''; expected a name of 1 to 32 octets"},
    {true,
     WRAP("<rows>\n"
          "<target name=\"t\" handler=\"m\" states=\"critical, ok\"/>\n"
          "</rows>\n"),
     "t.xml:4: 'states' of <target> is 'critical, ok'; expected names divided by blanks out of ok, "
     "info, warning, critical, unknown"},
    {true,
     WRAP("<rows>\n"
          "<target name=\"t\" handler=\"m\" digestMillis=\"-2\"/>\n"
          "</rows>\n"),
     "t.xml:4: 'digestMillis' of <target> is '-2'; expected a number from -1 to 3600000 "
     "(milliseconds) or a duration such as 10s"},
    {true,
     WRAP("<rows>\n"
          "<scriptText script=\"s\" segment=\"17\" text=\"x\"/>\n"
          "</rows>\n"),
     "t.xml:4: 'segment' of <scriptText> is '17'; expected a number from 1 to 16"},
    {true,
     WRAP("<rows>\n"
          "<scriptText script=\"s\" text=\"x\"/>\n"
          "</rows>\n"),
     "t.xml:4: <scriptText> needs the attribute 'segment', a part of its index"},
    {false,
     WRAP("<handlers>\n"
          "<all name=\"a\" handlers=\"t nobody\"/>\n"
          "<trap name=\"t\" to=\"h\"/>\n"
          "</handlers>\n"),
     "t.xml:4: <all> 'a': admin has no handler 'nobody'"},
    {false,
     WRAP("<handlers>\n"
          "<all name=\"a\" handlers=\"a\"/>\n"
          "</handlers>\n"),
     "t.xml:4: <all> 'a': it leads back to itself: a > a"},
    {false,
     WRAP("<handlers>\n"
          "<trap name=\"t\" to=\"h\"/>\n"
          "<all name=\"a\" handlers=\"t b\"/>\n"
          "<all name=\"b\" handlers=\"t c\"/>\n"
          "<all name=\"c\" handlers=\"t b\"/>\n"
          "</handlers>\n"),
     "t.xml:5: <all> 'a': it leads back to itself: b > c > b"},
    {false,
     WRAP("<handlers>\n"
          "<sum name=\"s\" handler=\"a\"/>\n"
          "<all name=\"a\" handlers=\"s\"/>\n"
          "</handlers>\n"),
     "t.xml:4: <sum> 's': it leads back to itself: s > a > s"},
    {false,
     WRAP("<handlers>\n"
          "<trap name=\"t\" to=\"h\"/>\n"
          "<sum name=\"s\" handler=\"t\"/>\n"
          "<all name=\"a\" handlers=\"t s\"/>\n"
          "</handlers>\n"),
     "t.xml:6: <all> 'a': handler 's' is of kind sum, which gathers for a target: one has to name it"},
    {false,
     WRAP("<handlers>\n"
          "<smtp name=\"m\" host=\"h\"/>\n"
          "<sum name=\"s\" handler=\"m\"/>\n"
          "</handlers>\n"),
     "t.xml:5: <sum> 's': handler 'm' is of kind smtp, which needs recipients: a target has to name it"},
    {false,
     WRAP("<handlers>\n"
          "<trap name=\"t\"/>\n"
          "<all name=\"a\" handlers=\"t\"/>\n"
          "</handlers>\n"),
     "t.xml:5: <all> 'a': handler 't' has no to of its own to send to"},
    {false,
     WRAP("<owners><owner name=\"alice\"/></owners>\n"
          "<handlers>\n"
          "<trap name=\"t\" to=\"h\"/>\n"
          "<all name=\"b\" handlers=\"u\" owner=\"alice\"/>\n"
          "<trap name=\"u\" to=\"h\" owner=\"alice\"/>\n"
          "<all name=\"a\" handlers=\"t b v\" owner=\"alice\"/>\n"
          "</handlers>\n"),
     "t.xml:8: <all> 'a': there is no handler 'v', neither of alice nor of admin"},
    {false, /* what admin names is not alice's */
     WRAP("<owners><owner name=\"alice\"/></owners>\n"
          "<handlers>\n"
          "<all name=\"b\" handlers=\"t\"/>\n"
          "<trap name=\"t\" to=\"h\" owner=\"alice\"/>\n"
          "</handlers>\n"),
     "t.xml:5: <all> 'b': admin has no handler 't'"},
    {true,
     WRAP("<rows>\n"
          "<groupTarget group=\"g\"/>\n"
          "</rows>\n"),
     "t.xml:4: <groupTarget> needs the attribute 'target', a part of its index"},
    {true,
     WRAP("<rows>\n"
          "<groupTarget group=\"g\" target=\"t\" storage=\"volatile\"/>\n"
          "</rows>\n"),
     "t.xml:4: unknown attribute 'storage' of <groupTarget>; expected one of 'owner', 'group', "
     "'target', 'override'"},
    {false,
     WRAP("<rows>\n"
          "<definition name=\"a\"/>\n"
          "<group name=\"a\"/>\n"
          "<definition name=\"b\"/>\n"
          "<definition owner=\"admin\" name=\"a\"/>\n"
          "</rows>\n"),
     "t.xml:7: <definition owner='admin' name='a'> is already on line 4; expected it once"},
    {false,
     WRAP("<rows>\n"
          "<scriptText script=\"s\" segment=\"1\" text=\"x\"/>\n"
          "<scriptText script=\"s\" segment=\"1\" text=\"y\"/>\n"
          "</rows>\n"),
     "t.xml:5: <scriptText owner='admin' script='s' segment='1'> is already on line 4; expected it "
     "once"},
    {true, WRAP("<rows>text</rows>\n"),
     "t.xml:3: text in <rows>; expected elements and attributes only"},
};
const size_t nbad_files = sizeof bad_files / sizeof *bad_files;
