"""Imports that take less time leave everything else as it was."""

import gc
import sys

import pytest

from lib.base.imports import UNUSED, without_collection, without_unused


@pytest.fixture
def thawed():
    """Nothing is frozen, and what is comes back."""
    gc.unfreeze()
    yield
    gc.freeze()


def test_what_is_hidden_comes_back(monkeypatch):
    name = UNUSED[0]
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ImportError), without_unused():
        __import__(name)
    assert name not in sys.modules


def test_what_was_imported_is_looked_through_no_more(monkeypatch, thawed, tmp_path):
    (tmp_path / "many_lists.py").write_text("lists = [[n] for n in range(1000)]\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "many_lists", raising=False)
    with without_collection():
        assert not gc.isenabled()
        import many_lists  # noqa: F401
    assert gc.isenabled() and gc.get_freeze_count() > 1000


def test_garbage_is_not_kept_where_nothing_was_imported(thawed):
    with without_collection():
        import gc as imported_before  # noqa: F401
    assert gc.isenabled() and gc.get_freeze_count() == 0


def test_a_failed_import_leaves_collection_on():
    with pytest.raises(ImportError), without_collection():
        import there_is_no_such_module  # noqa: F401
    assert gc.isenabled()
