"""Prometheus with the configuration and the rules of deploy/monitoring, and what its expressions name."""

import json
import re
import shutil
import urllib.parse
import urllib.request

import yaml

from lab.paths import LAB, ROOT, SUPPORT
from lab.process import Process, free_port, run
from lab.waiting import eventually

MONITORING = ROOT / "deploy" / "monitoring"
DASHBOARD = MONITORING / "grafana" / "dashboards" / "lightningstream.json"


def install():
    """The directory with prometheus and promtool."""
    prefix = LAB / "prometheus"
    done = run([SUPPORT / "get-prometheus", prefix], limit=900)
    if done.returncode != 0:
        raise RuntimeError(f"no Prometheus:\n{done.stderr}")
    return prefix / "usr" / "bin"


class Prometheus:
    """Scrapes 127.0.0.1 on these ports every second; else it does what deploy/monitoring says."""

    def __init__(self, programs, ports, directory, log):
        directory.mkdir()
        shutil.copy(MONITORING / "alerts.yml", directory)
        configuration = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
        configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        [job] = configuration["scrape_configs"]
        targets = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
        configuration["scrape_configs"] = [{"job_name": job["job_name"], "static_configs": targets}]
        (directory / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        self.port = free_port()
        self.process = Process(
            [programs / "prometheus", f"--config.file={directory / 'prometheus.yml'}",
             f"--storage.tsdb.path={directory / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}"], log)
        eventually("Prometheus answers", lambda: self._answers())

    def _answers(self):
        assert self.process.running
        try:
            return self.api("query", query="1")
        except OSError:
            return None

    def api(self, path, **parameters):
        """`data` of an answer."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """The series that an expression gives."""
        return self.api("query", query=expression)["result"]

    def kill(self):
        self.process.kill()


_WORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan"}


def selectors(expression):
    """(metric, labels) for each metric that an expression names: the labels that are matched, and those that are grouped by."""
    text = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    text = re.sub(r"\[[^\]]*\]|\boffset\s+\w+", "", text)
    grouped = set()

    def group(match):
        grouped.update(label.strip() for label in match[1].split(",") if label.strip())
        return ""

    text = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", group, text)
    found = []
    for name, call, matchers in re.findall(r"\b([a-zA-Z_:][\w:]*)\s*(\()?\s*(?:\{([^}]*)\})?", text):
        # `sum by (…) (…)` is without its parentheses of labels now.
        if not call and name.lower() not in _WORDS:
            found.append((name, grouped | set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))))
    return found


def panels(dashboard):
    """All panels that show something."""
    for panel in dashboard["panels"]:
        yield from [panel] if panel["type"] != "row" else panels(panel)
