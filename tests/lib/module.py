"""The module for snmpd, as it was built."""

from .site import build_folder


def has_sanitizers():
    """Then a plain snmpd cannot load it."""
    return "#define SA_SANITIZERS" in (build_folder() / "config.h").read_text()


def module_lines(store):
    """Of snmpd.conf."""
    return (f"dlmod snmpalert {build_folder()}/agent/snmpalert.so\n"
            f"snmpalertStore {store}\n"
            f"snmpalertEvaluator {build_folder()}/snmpalertd-evaluator\n")
