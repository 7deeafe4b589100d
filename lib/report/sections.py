r"""Sections that a paper takes from other studies.

\studysection{name} in a paper.tex stands for paper/<name>/section.tex, with that study's own numbers, tables and
figures at the same profile, where that study is finished; else for one sentence that says how to make it.
"""

from collections.abc import Iterable
from pathlib import Path

from lib.base.errors import BadInput
from lib.base.files import write_atomically
from lib.params.study import Study
from lib.report.figures import drawings
from lib.report.paper_folder import section_place
from lib.report.reader import StudyResults, open_study
from lib.report.summary import verdicts_of
from lib.report.tex import (
    COMMENT,
    FIGURE,
    INPUT,
    captions,
    check_used,
    escaped,
    local_macros,
    used_macros,
)

TEXT = "section.tex"


def write_section(name: str, study: Study, results: Path, build: Path, taken: Iterable[str]) -> None:
    """Write sections/<name>.tex of a paper into `build`, and the tables and figures that it needs.

    Args:
        study, results: the study whose paper this is, and its folder.
        taken: names of that paper's own tables and figures.

    Raises: BadInput for a macro, table or figure that the other study does not have, and for a name that both have.
    """
    place = section_place(results, study, name)
    found = open_study(place) if place.is_dir() else None
    why = unfinished(found) if found else "it has not been made"
    if why:
        text = (
            rf"The study \texttt{{{escaped(name)}}} is not in this version, since {escaped(why)}; "
            rf"\texttt{{make all STUDY={escaped(name)} PROFILE={escaped(study.profile)}}} makes it."
        )
        write_atomically(build / "sections" / f"{name}.tex", text + "\n")
        return
    source = found.paper.folder / TEXT
    text, verdicts = source.read_text(encoding="utf-8"), verdicts_of(found)
    pairs = found.paper.find("numbers", "numbers")(found, verdicts)
    tables = found.paper.find("tables", "tables")(found, verdicts)
    figures = {drawing.name: drawing.caption for drawing in drawings(found)}
    every = [*(macro for macro, _ in pairs), *tables, *figures]
    check_used(text, [macro for macro, _ in pairs], tables, figures, str(source), spare=every)
    shown = COMMENT.sub("", text)
    wanted_tables, wanted_figures = INPUT.findall(shown), FIGURE.findall(shown)
    for other in [*wanted_tables, *wanted_figures]:
        if other in set(taken):
            raise BadInput(
                f"{source}: {other} is the name of a table or figure of the paper that takes this section"
            )
    used = used_macros("\n".join([text, *(tables[n] for n in wanted_tables)])) | {"resNotebook"}
    head = local_macros((macro, value) for macro, value in pairs if macro in used)
    head += captions((figure, figures[figure]) for figure in wanted_figures)
    write_atomically(build / "sections" / f"{name}.tex", f"{{%\n{head}{text}}}\n")
    for table in wanted_tables:
        write_atomically(build / "tables" / f"{table}.tex", tables[table])
    for figure in wanted_figures:
        drawn = found.folder / "summary" / "figures" / f"{figure}.pdf"
        write_atomically(build / "figures" / f"{figure}.pdf", drawn.read_bytes())


def unfinished(results: StudyResults) -> str:
    """What a study lacks, in words; empty where every run has ended and everything was made of it."""
    ended = [run.state in ("done", "diverged") for run in results.runs]
    if not all(ended):
        return f"{ended.count(False)} of its {len(ended)} runs have not ended"
    for run in results.study.runs:
        for stage in results.study.stages_of(run):
            if not all((results.folder / run.name / file).is_file() for file in stage.makes):
                return f"{stage.name} of {run.name} is missing"
    names = [drawing.name for drawing in drawings(results)]
    if not all((results.folder / "summary" / "figures" / f"{name}.pdf").is_file() for name in names):
        return "its figures are missing"
    return ""
