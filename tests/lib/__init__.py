"""What the tests that start real programs share: processes, ports, waiting, SNMP daemons."""
