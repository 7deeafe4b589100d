"""A headless Chromium, driven over its debugging protocol: what a page logs, requests and looks like."""

import base64
import json
import shutil
import subprocess
import time

import pytest
import websocket

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
]
PATIENCE = 30.0  # seconds


class Browser:
    """`with Browser(tmp_path) as browser:` skips the test, with the reason, where there is no Chromium."""

    def __init__(self, folder):
        self.program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if self.program is None:
            pytest.skip("chromium is not installed")
        self.folder = folder
        self.events = []

    def __enter__(self):
        profile = self.folder / "chromium"
        log = open(self.folder / "chromium.log", "wb")
        command = [self.program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        log.close()
        port = profile / "DevToolsActivePort"
        deadline = time.monotonic() + PATIENCE
        while not port.is_file() or len(port.read_text().split()) < 2:
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.process.kill()
                pytest.fail("chromium did not start: " + (self.folder / "chromium.log").read_text()[-2000:])
            time.sleep(0.05)
        number, path = port.read_text().split()
        self.socket = websocket.create_connection(f"ws://127.0.0.1:{number}{path}", timeout=PATIENCE)
        self.sent, self.session = 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *error):
        self.socket.close()
        self.process.kill()
        self.process.wait()

    def call(self, method, **params):
        """One command; events that arrive before its answer are kept."""
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == self.sent:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, url, width=1280, height=900, dark=False):
        """Load a page at a size and in a scheme; `events` then holds what happened since."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + PATIENCE
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            assert time.monotonic() < deadline, f"{url} did not load"
            self.call("Runtime.evaluate", expression="1")

    def evaluate(self, expression):
        """The value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def requests(self):
        """Addresses that the page asked for."""
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def complaints(self):
        """Errors and warnings of the console, and uncaught exceptions."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [event["params"] for event in self.events if event.get("method") in kinds]

    def picture(self, path, whole=True):
        """A PNG of the page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))
