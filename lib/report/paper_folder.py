"""What only one study needs lies in paper/<study>/: modules and files that are found there by name.

    paper.tex, references.bib         the text
    section.tex                       what another study's paper may take of it (lib/report/sections.py)
    claims.yaml                       the axis and the claims (lib/report/claims.py)
    published.yaml                    the published numbers (lib/report/published.py)
    quantities.py                     QUANTITIES
    figures.py                        FIGURES
    tables.py                         tables(results, verdicts), summary(results)
    numbers.py                        numbers(results, verdicts)

Each may be missing, and so may the folder: such a study has figures and a report, and no paper.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from lib.base.files import ROOT
from lib.params.study import Study
from lib.report.tex import COMMENT, SECTION

PAPERS = ROOT / "paper"
SHARED = [PAPERS / name for name in ("style.sty", "latexmkrc")]  # of the papers of all studies


@dataclass(frozen=True)
class PaperFolder:
    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def has_text(self) -> bool:
        return (self.folder / "paper.tex").is_file()

    @property
    def sources(self) -> list[Path]:
        """paper.tex, and what it puts in from beside it."""
        return sorted(self.folder.glob("*.tex"))

    @property
    def text(self) -> str:
        return "\n".join(path.read_text(encoding="utf-8") for path in self.sources)

    @property
    def sections(self) -> list[str]:
        """The studies that this paper takes a section from (lib/report/sections.py)."""
        return list(dict.fromkeys(SECTION.findall(COMMENT.sub("", self.text))))

    @property
    def build(self) -> Path:
        """Where LaTeX works; the PDF lies beside it, under the study's name."""
        return self.folder.parent / "build" / self.name

    @property
    def pdf(self) -> Path:
        return self.build.with_name(f"{self.name}.pdf")

    @property
    def built_for(self) -> str:
        """The results that the PDF speaks of, since profiles and copies share it; empty where there is none."""
        path = self.build / "built_for"
        return path.read_text(errors="replace") if path.is_file() else ""

    @property
    def arxiv(self) -> Path:
        return self.build.with_name(f"{self.name}-arxiv.tar.gz")

    def file(self, name: str) -> Path | None:
        path = self.folder / name
        return path if path.is_file() else None

    def files(self) -> list[Path]:
        """Everything that a reader or a writer of this study's results depends on."""
        return sorted(path for path in self.folder.glob("*") if path.is_file())

    def module(self, name: str) -> ModuleType | None:
        """paper.<study>.<name>, imported; None where the study has none."""
        if self.file(f"{name}.py") is None:
            return None
        return importlib.import_module(f"{PAPERS.name}.{self.name}.{name}")

    def find(self, module: str, name: str, otherwise: Any = None) -> Any:
        """A table or a function of one of the modules."""
        return getattr(self.module(module), name, otherwise)


def section_place(results: Path, study: Study, name: str) -> Path:
    """Where another study's results lie, beside `results` of `study`: packed as these are, or as make made it."""
    packed = results.name.removesuffix(study.folder_name)
    beside = results.with_name(f"{packed}{name}-{study.profile}")
    return beside if beside.is_dir() else results.with_name(f"{name}-{study.profile}")


def paper_folder(study: Study) -> PaperFolder:
    return PaperFolder(PAPERS / study.name)
