"""Headless Chromium, driven by its own protocol over a pipe: no driver, no port, no package."""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time

from lab.waiting import eventually

_NAMES = "chromium", "google-chrome", "google-chrome-stable", "chromium-browser"


def chromium():
    """The browser: what CHROMIUM names, else the first that is on the PATH."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if not found:
        raise FileNotFoundError("no Chromium: run scripts/bootstrap test-all, or name one in CHROMIUM")
    return found


class Browser:
    """A browser without profile; `page()` opens a page of it."""

    def __init__(self, directory, log):
        commands, self._out = os.pipe()
        self._in, answers = os.pipe()
        self._numbers = itertools.count(1)
        self._answers = {}
        self._pages = {}
        self._rest = b""
        # Descriptors 3 and 4 are where the browser looks for the pipe.
        script = 'exec 3<&"$1" 4>&"$2"; shift 2; exec setpriv --pdeathsig KILL -- "$@"'
        with open(log, "ab") as output:
            self._popen = subprocess.Popen(
                ["bash", "-c", script, "browser", str(commands), str(answers), chromium(), "--headless=new",
                 "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
                 "--disable-background-networking", "--disable-component-update", "--disable-extensions",
                 "--force-device-scale-factor=1", "--remote-debugging-pipe", f"--user-data-dir={directory}"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=(commands, answers))
        os.close(commands)
        os.close(answers)

    def end(self):
        os.close(self._out)
        os.close(self._in)
        self._popen.kill()
        self._popen.wait()

    def call(self, method, session=None, limit=60, **parameters):
        """Calls a method of the protocol and returns its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + limit
        while number not in self._answers:
            assert time.monotonic() < end, f"the browser does not answer {method}"
            self._read(0.5)
        answer = self._answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _read(self, limit):
        """Takes in what the browser says, waiting for it at most `limit` seconds."""
        while select.select([self._in], [], [], limit)[0]:
            got = os.read(self._in, 1 << 20)
            assert got, "the browser has ended"
            *messages, self._rest = (self._rest + got).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self._answers[message["id"]] = message
                elif page := self._pages.get(message.get("sessionId")):
                    page.heard(message["method"], message["params"])
            if messages:
                return

    def page(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in "Page", "Runtime", "Log", "Network":
            page.call(f"{domain}.enable")
        return page

    def listen(self):
        self._read(0)


class Page:
    """A tab; `requests` and `complaints` are what it has asked for and what its console says."""

    def __init__(self, browser, session):
        self._browser, self._session = browser, session
        self.requests = []
        self.complaints = []

    def call(self, method, **parameters):
        return self._browser.call(method, self._session, **parameters)

    def heard(self, method, data):
        if method == "Network.requestWillBeSent":
            self.requests.append(data["request"]["url"])
        elif method == "Log.entryAdded":
            self.complaints.append(data["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(data["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(str(data["args"]))

    def show(self, width, height=900, dark=False, scripts=True):
        """Sets the size of the window and the colour scheme that is asked for."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)

    def open(self, url):
        self.call("Page.navigate", url=url)
        eventually(f"{url} loaded", lambda: self.evaluate(
            "document.readyState === 'complete' && location.href !== 'about:blank'"))

    def evaluate(self, expression):
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self, selector="body"):
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def screenshot(self, file, whole=False):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        file.write_bytes(base64.b64decode(data))
