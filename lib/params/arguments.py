"""How a study was named when make began: kept beside its results, so that its folder alone can be opened again."""

from pathlib import Path

from lib.base.files import json_text, read_json, write_atomically

KEPT = Path(".make") / "study.json"
NAMES = ("study", "profile", "overrides")


def keep_arguments(folder: Path, arguments: dict[str, str]) -> None:
    """Write study, profile and overrides; a params file by its whole path."""
    study = arguments["study"]
    if study.endswith((".yaml", ".yml")):
        study = str(Path(study).resolve())
    text = json_text({**arguments, "study": study})
    path = folder / KEPT
    if not (path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text):
        write_atomically(path, text)


def kept_arguments(folder: Path) -> dict[str, str]:
    """What was written; without it, what the folder's name <study>-<profile> says. Empty when that says nothing."""
    found = read_json(folder / KEPT)
    if isinstance(found, dict) and all(isinstance(found.get(name), str) for name in NAMES):
        return {name: found[name] for name in NAMES}
    study, dash, profile = folder.resolve().name.rpartition("-")
    return {"study": study, "profile": profile, "overrides": ""} if dash and study and profile else {}
