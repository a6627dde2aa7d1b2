"""deploy/monitoring: the alert rules and the dashboard, with the real Prometheus and what real daemons tell."""

import itertools
import json
import re
import time

import pytest
import yaml

from lab import prometheus, snapshots
from lab.paths import ROOT
from lab.powerdns import MAP_SIZE
from lab.process import free_port, run
from lab.prometheus import DASHBOARD, MONITORING, Prometheus, panels, selectors
from lab.syncer import database
from lab.waiting import eventually

ADDED = {"job", "instance"}  # labels that Prometheus itself adds


@pytest.fixture(scope="session")
def programs():
    return prometheus.install()


def rules():
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard():
    return json.loads(DASHBOARD.read_text())


def expressions():
    """Everything in rules and dashboard that Prometheus evaluates: (where, expression)."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels(dashboard()):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def filled_in(expression):
    """An expression of the dashboard as Grafana sends it."""
    text = expression.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$lmdb", ".*")
    assert "$" not in text, expression
    return text


@pytest.mark.parametrize("arguments", [
    ["check", "rules", "alerts.yml"], ["check", "config", "prometheus.yml"], ["test", "rules", "alerts.test.yml"]])
def test_promtool_agrees(programs, arguments):
    done = run([programs / "promtool", *arguments[:2], MONITORING / arguments[2]])
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_unit_test_and_a_page():
    tests = yaml.safe_load((MONITORING / "alerts.test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    named = {rule["alert"] for rule in rules()}
    assert len(named) == len(rules())
    assert named == {case["alertname"] for case in cases if case["exp_alerts"]}
    assert named == {case["alertname"] for case in cases if not case["exp_alerts"]}, "each has to be silent at times"
    described = re.findall(r"^### (\w+)$", (ROOT / "docs" / "alerts.md").read_text(), re.MULTILINE)
    assert [rule["alert"] for rule in rules()] == described
    for rule in rules():
        assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})
        assert rule["annotations"].keys() == {"summary"}


def test_the_dashboard_is_well_formed():
    board = dashboard()
    everything = board["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    taken = set()
    for panel in everything:
        place = panel["gridPos"]
        cells = set(itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])))
        assert place["x"] + place["w"] <= 24 and not taken & cells, panel["title"]
        taken |= cells
    shown = list(panels(board))
    assert len(shown) > 25 and len({panel["title"] for panel in shown}) == len(shown)
    variables = {variable["name"] for variable in board["templating"]["list"]}
    for panel in shown:
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            used = set(re.findall(r"\$\{?(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= variables, panel["title"]
            # What a legend shows has to be among the labels that are left.
            if groups := re.search(r"\bby \(([^)]*)\)", target["expr"]):
                labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                assert labels <= set(groups[1].split(", ")), panel["title"]
    folder = MONITORING / "grafana" / "provisioning"
    provider = yaml.safe_load((folder / "dashboards" / "lightningstream.yml").read_text())["providers"][0]
    source = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    assert provider["type"] == "file" and source["type"] == "prometheus"


def test_names_are_found_in_expressions():
    """The next test relies on it."""
    assert selectors('sum by (a, le) (rate(m_bucket{b="x{y}", c!~"z"}[5m])) > 0.5 or (n unless n offset 15m)') == [
        ("m_bucket", {"a", "le", "b", "c"}), ("n", {"a", "le"}), ("n", {"a", "le"})]
    assert selectors("time() - t > 5 * 3600") == [("t", set())]


def test_rules_and_dashboard_fit_what_daemons_tell(bucket, powerdns, lightningstream, programs, tmp_path, logs):
    """Two PowerDNS servers over S3, a damaged and a harmful snapshot: everything that is named is there, with its labels,
    every panel shows something, and the alerts are those that must come."""
    storage = bucket.storage()
    storage["options"]["use_update_marker"] = True
    storage["cleanup"] = {"enabled": True, "interval": "1s", "must_keep_interval": "1s"}
    options = {"create": True, "file_mask": "0600", "map_size": MAP_SIZE}
    servers = [powerdns(name).start() for name in "ab"]
    servers[0].util("create-zone", "example.org", "ns1.example.org")
    ports = free_port(), free_port()
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("0123456789abcdef" * 4)
    for server, port in zip(servers, ports):
        lightningstream(
            server.name, {"main": database(server.main, **options), "shard": database(server.shard, **options)}, storage,
            sweeper={"enabled": True, "first_interval": "100ms"}, http={"address": f"127.0.0.1:{port}"},
            push={"token_file": str(token), "advertise": f"http://127.0.0.1:{port}"},
            powerdns={"api": {"url": f"http://127.0.0.1:{server.api_port}", "key": "lab"},
                      "validation": {"structure": "reject"}}).start()
    now = time.time_ns()
    stamp = time.strftime("%Y%m%d-%H%M%S-000000000", time.gmtime(now // 10**9))
    bucket.put(f"main__damaged__{stamp}__GX.pb.gz", b"not gzip")
    unreadable = {"records_v5": (0, [(b"bad key", b"bad value", now, False)])}
    bucket.put(*snapshots.encode_all("shard", "harmful", unreadable, now))
    server = Prometheus(programs, ports, tmp_path / "prometheus", logs / "prometheus.log")
    try:
        def complete():
            series = server.api("series", **{"match[]": '{job="lightningstream"}'})
            labels = {}
            for one in series:
                labels.setdefault(one.pop("__name__"), set()).update(one)
            for where, expression in expressions():
                for name, used in selectors(expression):
                    # The storage is one or the other.
                    name = name.replace("storage_azure_", "storage_s3_")
                    assert name in labels, f"{where}: there is no metric {name}"
                    assert used <= labels[name] | ADDED, f"{where}: {name} has the labels {sorted(labels[name])}"
            return True

        # A change of one side makes snapshots that the other side's cleaner may remove, and zones for the checks.
        servers[0].util("add-record", "example.org", "@", "MX", "300", "10 missing.example.org")
        eventually("all metrics are there", complete, 60)

        def shown():
            for panel in panels(dashboard()):
                for target in panel["targets"]:
                    assert server.query(filled_in(target["expr"])), f"{panel['title']} shows nothing: {target['expr']}"
            return True

        eventually("every panel shows something", shown)

        def evaluated():
            found = [rule for group in server.api("rules")["groups"] for rule in group["rules"]]
            assert [rule["name"] for rule in found] == [rule["alert"] for rule in rules()]
            assert {rule["health"] for rule in found} == {"ok"}
            assert {rule["name"] for rule in found if rule["state"] == "firing"} == {
                "LightningstreamLoadFails", "LightningstreamRefusedByRule"}
            return True

        eventually("the right alerts come", evaluated)
        assert [series["value"][1] for series in server.query("sum(up)")] == ["2"]
    finally:
        server.kill()
