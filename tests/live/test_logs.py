"""What the daemon prints: one form for every line, and never a secret."""

import os
import re

import pytest

from lib.mainjob import (MAILS, TRAPS, apps_run, configuration, definition, wait_alert,
                         wait_notice)
from lib.site import Site
from lib.smtpd import Smtpd
from lib.snmp import SetRefused
from lib.wait import wait_for

WORD = r'(?:[A-Za-z0-9\-_./:@+,%]+|"(?:[^"\\\n]|\\["\\ntrx])*")'
LINE = re.compile(
    rf"time=\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z level=(error|warning|info|debug) "
    rf"stage={WORD}( object={WORD})?( left_out=\d+)? msg=\"(?:[^\"\\\n]|\\.)*\"$")

SECRETS = {"community": "Kq7-community", "mail": "Kq7-mailword", "web": "Kq7-webword",
           "trap": "Kq7-trapword", "wrong": "Kq7-wrongword"}


def secret_file(site, name):
    path = site.path(name + ".secret")
    with open(path, "w") as f:
        f.write(SECRETS[name] + "\n")
    os.chmod(path, 0o600)
    return path


def secretive(site):
    """Everything that has a secret fails, so that everything has something to say."""
    secret, web = (secret_file(site, name) for name in ("mail", "web"))
    text = configuration(definition("busy") + TRAPS + MAILS,
                         mail=f'auth="password" username="alerts" passwordFile="{secret}" '
                              'allowPlainAuth="yes"')(site)
    text = text.replace('community="public"/>', f'community="{SECRETS["trap"]}"/>')
    return text.replace("<sources>", f"""<sources>
    <snmp name="silent" host="127.0.0.1" port="{site.snmpd.port}" interval="1s" timeout="200ms"
          retries="0" community="{SECRETS["community"]}"><get name="x" oid="1.3.6.1.2.1.1.3.0"/></snmp>
    <http name="closed" url="{site.web.url('absent.json')}" interval="100ms" username="alice"
          passwordFile="{web}"/>""")


@pytest.fixture
def secretive_site():
    site = Site(secretive, mail=Smtpd(users={"alerts": SECRETS["wrong"]}))
    site.daemon.options += ["--log-level=debug"]
    yield site
    site.close()


def test_no_secret_is_printed(secretive_site):
    site = secretive_site
    apps_run(site, 7)
    site.daemon.start()
    wait_alert(site, "busy", "critical", "active")
    assert "535" in wait_notice(site, Target="operators", State="failed")["LastError"]
    wait_for(lambda: set(site.manager.column("saSourceStatus").values()) >= {"failing", "up"},
             "the sources to fail")
    with pytest.raises(SetRefused):
        site.manager.set(('saDefinitionCondition."admin"."busy"', "s",
                          "'not a secret' +"))
    walk = site.manager.run("snmpbulkwalk", "saObjects", options=("-Oq",)).stdout
    assert "saHandlerPropertyValue" in walk
    site.daemon.stop()
    out = site.daemon.process.output()
    assert "level=debug" in out
    for name in ("community", "mail", "web", "trap"):
        assert SECRETS[name] not in out, name
        assert SECRETS[name] not in walk, name
    for line in out.splitlines():
        assert LINE.match(line), line
