"""What the pages of the report are made of: Markdown with its formulas, and an executed notebook."""

import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from lib.base.imports import without_unused
from lib.report.mathml import mathml

with without_unused():
    import nbformat
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath


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


def notebook_body(path: Path, title: str) -> str:
    """The cells of an executed notebook as HTML, its figures named after the title.

    Raises: what nbformat raises for a file that is no notebook.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            _formulas(output.get("data", {}))
    body, _ = exporter().from_notebook_node(notebook)
    body = re.sub(r"<(?=meta\b)", "&lt;", body, flags=re.IGNORECASE)  # one that leads away needs no script
    return body.replace("No description has been provided for this image", f"Figure of {escape(title)}")


def _formulas(data: dict[str, Any]) -> None:
    """An output in TeX becomes Markdown, where formulas are drawn."""
    if "text/latex" in data:
        data.setdefault("text/markdown", data.pop("text/latex"))
