"""`make compare` and `make watch`: runs beside each other, in the terminal, as a figure and as a page."""

import os
import shlex
import time
from datetime import datetime
from pathlib import Path

from lib.base.errors import BadInput, nearest, plain_name
from lib.base.files import write_atomically

MOST_NAMES = 12  # of runs in one message
EVERY = 3.0  # seconds between two looks at the runs that are watched
KEPT = Path("compare")  # where comparisons go, in OUTPUTS


def compare(asked: str, metric: str, study: Path, outputs: Path) -> str:
    """Write the figure and the page of the runs that were asked for; returns the table, and where these are.

    Args:
        asked: names, parts of names or folders of runs or studies; empty: all of the study's.
        study: the folder of the study that is meant where a name does not say it.
    """
    folders = find_runs(asked, study, outputs)
    from lib.report.compare import entries, first_columns
    from lib.report.compare_page import compare_page
    from lib.report.compare_text import compare_text, find_columns
    from lib.report.series import courses

    found = entries(folders)
    known, unread = courses(entry.run for entry in found)
    there = list(dict.fromkeys(name for one in known for name in one))
    metrics = find_columns(metric, there) if metric else first_columns(found, there)
    place = outputs / KEPT
    text = compare_text(found, known, metrics)
    page = place / "compare.html"
    write_atomically(page, compare_page(f"{len(found)} runs compared", found))
    written = [page]
    if metrics:
        from lib.report.compare_figure import compare_figure
        from lib.report.style import write

        figure = compare_figure(found, known, metrics)
        write(figure, place, "compare", "; ".join(entry.name for entry in found), pdf=True)
        written += [place / f"compare.{kind}" for kind in ("png", "pdf")]
    text += "".join(f"\n{one}" for one in unread)
    return f"{text}\n\n" + "\n".join(os.path.relpath(path) for path in written)


def find_runs(asked: str, study: Path, outputs: Path) -> list[Path]:
    """The folders of runs that words name, in their order.

    A word is a folder of a run or of a study, or a part of names: of the study's that is meant, else of any's.

    Raises: BadInput for a word that fits nothing.
    """
    known = sorted(p.parent for p in outputs.glob("*/*/params.yaml") if p.parent.parent.name not in (".make",))
    here = [path for path in known if path.parent == study]
    if not asked.strip():
        if not here:
            raise BadInput(f"{study}: there are no runs yet; make all trains them, or name some with RUNS=")
        return here
    try:
        words = shlex.split(asked)
    except ValueError as error:
        raise BadInput(f"RUNS={plain_name(asked)}: {error}") from None
    return list(dict.fromkeys(path for word in words for path in _named(word, here, known, outputs)))


def _named(word: str, here: list[Path], known: list[Path], outputs: Path) -> list[Path]:
    for place in (Path(word), outputs / word):
        if (place / "params.yaml").is_file():
            return [place]
        inside = sorted(path.parent for path in place.glob("*/params.yaml"))
        if inside:
            return inside
    names = {path: f"{path.parent.name}/{path.name}" for path in known}
    among = [{path: path.name for path in here}, {path: path.name for path in known}, names]
    found: list[Path] = []
    for one in among:  # a whole name before a part of one, the study that is meant before the others
        found = found or [path for path, name in one.items() if name == word]
        found = found or [path for path, name in one.items() if word in name]
    if not found:
        shown = [path.name for path in here] or list(names.values())
        told = "; ".join(shown[:MOST_NAMES]) or "none yet: make all trains them"
        told += f" and {len(shown) - MOST_NAMES} more" if shown[MOST_NAMES:] else ""
        parts = dict.fromkeys(part for path in known for part in [path.name, *path.name.split("_")])
        hint = nearest(word, [*parts, *names.values()])
        raise BadInput(f"RUNS={plain_name(word)} is no trained run; there are: {told}{hint}")
    return found


# --------------------------------------------------------------------------------------------------------- watching


def watch(study: Path) -> int:
    """Write a study's report/compare.html whenever its runs have moved, until Ctrl-C."""
    if not study.is_dir():
        raise BadInput(f"{study}: this study has no results yet; start make all, then watch it")
    print(f"{study}: looking at its runs every {EVERY:g} seconds; Ctrl-C ends it, the runs go on", flush=True)
    before = None
    try:
        while True:
            now = _moved(study)
            if now != before:
                print(_rewrite(study), flush=True)
            before = now
            time.sleep(EVERY)
    except KeyboardInterrupt:
        print(f"\nno longer watching; {os.path.relpath(study / 'report' / 'compare.html')} stays as it is")
        return 0


def _moved(study: Path) -> dict[str, tuple[int, int]]:
    """What changes when a run writes a number."""
    found = {}
    for name in ("run.json", "pilot_metrics.json", "watch.parquet"):
        for path in study.glob(f"*/{name}"):
            try:
                stat = path.stat()
            except OSError:  # set aside between the two
                continue
            found[str(path)] = (stat.st_mtime_ns, stat.st_size)
    return found


def _rewrite(study: Path) -> str:
    """One line: when, what became of the runs, and the page."""
    from lib.report.compare_page import write_compare
    from lib.report.reader import open_study

    results = open_study(study)
    path = write_compare(results)
    states: dict[str, int] = {}
    for run in results.runs:
        states[run.state] = states.get(run.state, 0) + 1
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{datetime.now():%H:%M:%S}  {told}; {os.path.relpath(path)}, {path.stat().st_size / 1e6:.1f} MB"
