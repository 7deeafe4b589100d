"""The pages of the report: one shell and one style for all, and an executed notebook as a page.

A page needs nothing but itself: images inside it, formulas as MathML, no script. Its content security policy
says so too, and a browser holds it to that.
"""

import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from lib.report.mathml import mathml

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

CSS = """
:root { color-scheme: light dark; --ink: #1c1d1f; --soft: #5d6066; --paper: #ffffff; --card: #f6f6f4;
  --line: #deded9; --link: #0b5fa5; --holds: #0b7a53; --fails: #b8430a; --open: #6e6e6e; --pood: #c44e00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e5e7; --soft: #a3a7ae; --paper: #16181b; --card: #1f2226;
  --line: #363a40; --link: #7cb8f0; --holds: #4cc79a; --fails: #f2915c; --open: #a3a7ae; --pood: #ff9a5c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem 1rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  overflow-wrap: break-word; -webkit-text-size-adjust: 100%; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .6rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; } h3 { font-size: 1rem; margin: 1rem 0 .4rem; }
p, ul { margin: .5rem 0; } a { color: var(--link); }
.soft, figcaption, nav { color: var(--soft); font-size: .875rem; }
img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 6px; padding: 4px; }
figure { margin: 1rem 0; } figcaption { margin-top: .4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.verdict { font-weight: 600; white-space: nowrap; } .holds { color: var(--holds); } .fails, .diverged, .failed {
  color: var(--fails); } .open { color: var(--open); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .8rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem; min-width: 0; }
.card h3 { margin: 0; } .card table { width: 100%; }
.card th, .card td { padding: .2rem .3rem; font-size: .8125rem; }
.card th { font-weight: normal; color: var(--soft); }
.spark { display: block; width: 100%; height: 4.5rem; margin: .4rem 0; }
.spark polyline { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
pre, code { font: .8125rem/1.45 ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace; }
pre { margin: 0; } math { font-size: 1.08em; }
math[display="block"] { overflow-x: auto; overflow-y: hidden; padding: .3rem 0; }
mtable[columnspacing^="0em"] > mtr > mtd { padding-left: 0; padding-right: 0; }
mtd[columnalign="right"] { text-align: right; } mtd[columnalign="left"] { text-align: left; }
.cell { margin: .8rem 0; } .input_area { background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: .5rem .7rem; overflow-x: auto; }
.output_area { margin: .5rem 0 .5rem .7rem; overflow-x: auto; } .prompt { display: none; }
.output_error, .output_stderr { border-left: 3px solid var(--fails); padding-left: .6rem; }
.ansi-red-fg, .ansi-red-intense-fg { color: var(--fails); }
.ansi-green-fg, .ansi-green-intense-fg { color: var(--holds); }
.ansi-bold { font-weight: bold; } .output_area table { display: block; overflow-x: auto; }
@media (max-width: 40rem) {
  figure .wide img { max-width: none; width: 44rem; } .output_area img { max-width: none; }
  .claims, .claims tbody { display: block; }
  .claims tr:first-child { display: none; } .claims td { display: block; border: 0; padding: .1rem 0; }
  .claims tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
}
"""


def page(title: str, body: str, extra: str = "") -> str:
    """A whole HTML document."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{CSS}{extra}</style>
</head>
<body>
{body}
</body>
</html>
"""


class Renderer(IPythonRenderer):
    """Markdown with its formulas as MathML, and no picture that is not inside the page."""

    def block_math(self, body: str) -> str:
        return mathml(body, display=True)

    def inline_math(self, body: str) -> str:
        return mathml(body, display=False)

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", display=True)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        if url.startswith(("data:", "attachment:")):
            return super().image(text, url, title)
        return f'<a href="{escape(url)}">{escape(text) or "a picture"}</a>'


def markdown(source: str) -> str:
    """Markdown to HTML."""
    return MarkdownWithMath(renderer=Renderer(escape=False, exclude_anchor_links=True)).render(source)


class Exporter(HTMLExporter):
    """The cells of a notebook as HTML, by nbconvert's plainest template."""

    @pass_context
    def markdown2html(self, context: Context, source: str) -> str:
        attachments = context.get("cell", {}).get("attachments", {})
        renderer = Renderer(escape=False, exclude_anchor_links=True, attachments=attachments)
        return MarkdownWithMath(renderer=renderer).render(source)


@cache
def exporter() -> Exporter:
    """One for all notebooks: making it costs more than a notebook does."""
    shown = ["text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/plain"]
    return Exporter(config=Config({"NbConvertBase": {"display_data_priority": shown}}), template_name="basic")


@cache
def highlighting() -> str:
    """Pygments' colours for both schemes."""
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    return (
        f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n.highlight {{ background: none !important; }}"
    )


def notebook_page(path: Path, title: str, links: str) -> str:
    """An executed notebook as a whole page, `links` above it.

    Raises: what nbformat raises for a file that is no notebook.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            _formulas(output.get("data", {}))
    body, _ = exporter().from_notebook_node(notebook)
    body = re.sub(r"<(?=meta\b)", "&lt;", body, flags=re.IGNORECASE)  # one that leads away needs no script
    body = body.replace("No description has been provided for this image", f"Figure of {escape(title)}")
    return page(title, f"<nav>{links}</nav>\n{body}", highlighting())


def _formulas(data: dict[str, Any]) -> None:
    """An output in TeX becomes Markdown, where formulas are drawn."""
    if "text/latex" in data:
        data.setdefault("text/markdown", data.pop("text/latex"))
