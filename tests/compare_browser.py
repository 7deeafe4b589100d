"""The page that compares runs, open in a browser, and short ways to ask it."""

import json
import time

from tests.browser import Browser

PATIENCE = 20.0
SHORT = """
globalThis.shown = () => [...document.querySelectorAll(".course")];
globalThis.texts = (nodes) => [...nodes].map((node) => node.textContent.trim());
globalThis.plain = (lists) => JSON.stringify(lists.map((list) => [...list]));
globalThis.view = () =>
  [texts([byId("said"), byId("legend")]), shown().map((svg) => svg.innerHTML), byId("table").innerText];
globalThis.use = (id, value) => {
  const control = byId(id);
  control[control.type === "checkbox" ? "checked" : "value"] = value;
  control.dispatchEvent(new Event("input", { bubbles: true }));
};
globalThis.sortBy = (name) =>
  [...document.querySelectorAll("[data-sort]")].find((b) => b.dataset.sort === name).click();
"""


class Page:
    """The page at an address, once it is drawn."""

    def __init__(self, browser: Browser, path, fragment="", width=1400, dark=False):
        self.browser = browser
        browser.open("about:blank")
        browser.open(path.resolve().as_uri() + fragment, width=width, dark=dark)
        self.wait("document.body?.dataset.ready")
        assert browser.complaints() == []
        self.ask(f"{SHORT}; 1")

    def ask(self, expression):
        return self.browser.evaluate(expression)

    def lists(self, expression):
        """Lists of numbers, in full; what is no number is None."""
        return json.loads(self.ask(f"plain({expression})"))

    def wait(self, expression):
        deadline = time.monotonic() + PATIENCE
        while not self.ask(expression):
            assert time.monotonic() < deadline, self.browser.complaints()
            time.sleep(0.02)

    def use(self, control, value):
        self.ask(f"use({json.dumps(control)}, {json.dumps(value)})")

    def click(self, selector, at=0):
        self.ask(f"document.querySelectorAll({json.dumps(selector)})[{at}].click()")

    def sort(self, name):
        self.ask(f"sortBy({json.dumps(name)})")

    @property
    def said(self):
        return self.ask("byId('said').textContent")

    def lines(self, at=0):
        """Points of every line of a plot, in pixels."""
        found = self.ask(f"[...shown()[{at}].querySelectorAll('svg polyline')].map(p => p.getAttribute('points'))")
        return [[tuple(map(float, point.split(","))) for point in text.split()] for text in found]

    def table(self):
        """The rows of the table, by heading."""
        heads = self.ask("texts(byId('table').tHead.rows[0].cells)")
        rows = self.ask("[...byId('table').tBodies[0].rows].map(r => texts(r.cells))")
        return [dict(zip((h.rstrip(" ▲▼") for h in heads), row, strict=True)) for row in rows]
