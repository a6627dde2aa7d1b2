"""Changes that go on while containers die."""

import json
import threading
import urllib.error
import urllib.request

ZONE = "busy.example."


class Writer(threading.Thread):
    """Adds a record after the other through the HTTP API of one server, and remembers those that it has confirmed."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.confirmed, self._end = node, [], threading.Event()

    def run(self):
        number = 0
        while not self._end.wait(0.05):
            number += 1
            name = f"n{number}.from{self.node}.{ZONE}"
            if self.add(name):
                self.confirmed.append(name)

    def add(self, name):
        body = {"rrsets": [{
            "name": name, "type": "A", "ttl": 60, "changetype": "REPLACE",
            "records": [{"content": f"192.0.2.{self.node}", "disabled": False}]}]}
        request = urllib.request.Request(
            f"http://127.0.0.1:{4780 + self.node}/api/v1/servers/localhost/zones/{ZONE}", method="PATCH",
            data=json.dumps(body).encode(), headers={"X-API-Key": "lightningstream"})
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return response.status == 204
        except (OSError, urllib.error.HTTPError):
            return False

    def end(self):
        self._end.set()
        self.join(30)
        assert not self.is_alive()
