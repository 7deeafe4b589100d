"""What of a definition computes something: a hash sees that, and is blind to the rest."""

import pytest

from tests.base.code_tree import Tree, retrained, stale


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("lib/train/progress.py", "  loss {loss:.3f}  {pace}", "  the loss is {loss:.4f}  {pace}"),
        ("lib/train/folder.py", "resuming after step", "going on after step"),
        ("lib/train/loop.py", "and no CUDA device is visible here", "and there is no GPU here"),
        ("lib/train/loop.py", "training from the start", "training from its beginning"),
        ("lib/base/locks.py", "    return handle", "    return int(handle)"),
        ("lib/train/loop.py", "# Steps between looks at the losses.", "# So often."),
        ("lib/train/loop.py", "Train to the end, or", "Train until all is done, or"),
        ("lib/train/loop.py", "lr: float, trunk: dict[str, float]", "lr: Any, trunk: dict[str, Any]"),
        ("lib/train/loop.py", ") -> nn.Module:", ") -> Any:"),
        ("lib/train/loop.py", "device_losses: list[Tensor] = []", "device_losses: list[Any] = []"),
        ("lib/train/loop.py", "device_norms: list[Tensor] = []", "device_norms = []"),
    ],
)
def test_what_computes_nothing_makes_nothing_stale(tree, file, old, new):
    now = tree.edit(file, old, new, count=-1)
    assert (retrained(tree, now), stale(tree, now)) == (set(), set())


CODE = '''"""A module."""

import math

try:
    import numba
except ImportError:
    LEVEL = 1


class Thing:
    """A thing."""

    size: int = 1


def area(r):
    """Of a circle."""
    half: float = 0.5
    return math.pi * r**2 * half  # squared


def nothing():
    """Does nothing."""
'''
SAME = {
    "a comment": ("# squared", "# the area"),
    "no comment": ("  # squared", ""),
    "blank lines": ("\n\n\n", "\n\n\n\n\n"),
    "another docstring": ("Of a circle.", "Of a disc, really."),
    "no docstring": ('    """Of a circle."""\n', ""),
    "no class docstring": ('    """A thing."""\n\n', ""),
    "no module docstring": ('"""A module."""\n\n', ""),
    "a body that was only a docstring": ('    """Does nothing."""', "    pass"),
    "layout": ("math.pi * r**2", "(math.pi\n        * r ** 2)"),
    "an annotation of an argument": ("area(r)", "area(r: float)"),
    "an annotation of a result": ("area(r)", "area(r) -> float"),
    "an annotation of a variable": ("half: float =", "half: int ="),
    "no annotation of a variable": ("half: float =", "half ="),
}
OTHER = {
    "a number": ("r**2", "r**3"),
    "a name": ("size", "length"),
    "a field's type": ("size: int", "size: float"),
    "a default": ("area(r)", "area(r=1)"),
    "a string that is no docstring": ("= 1\n\n\ndef", "= 'one'\n\n\ndef"),
    "order": ("math.pi * r**2", "r**2 * math.pi"),
    "what is tried": ("LEVEL = 1", "LEVEL = 2"),
}


def hashes(tree: Tree, text: str) -> dict[str, str]:
    tree.write("toy.py", text)
    return tree.ask("toy")


@pytest.mark.parametrize("change", SAME)
def test_the_hash_is_blind_to(tree, change):
    assert SAME[change][0] in CODE
    assert hashes(tree, CODE.replace(*SAME[change])) == hashes(tree, CODE)


@pytest.mark.parametrize("change", OTHER)
def test_the_hash_sees(tree, change):
    assert OTHER[change][0] in CODE
    assert hashes(tree, CODE.replace(*OTHER[change])) != hashes(tree, CODE)


def test_what_an_if_or_a_try_defines_has_a_name(tree):
    assert set(hashes(tree, CODE)) == {"LEVEL", "Thing", "area", "nothing"}
