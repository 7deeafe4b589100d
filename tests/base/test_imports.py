"""Imports that take less time leave everything else as it was."""

import gc
import importlib
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
        importlib.import_module(name)
    assert name not in sys.modules


def test_what_was_imported_is_looked_through_no_more(monkeypatch, thawed, tmp_path):
    (tmp_path / "many_lists.py").write_text("lists = [[n] for n in range(1000)]\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "many_lists", raising=False)
    with without_collection():
        assert not gc.isenabled()
        importlib.import_module("many_lists")
    assert gc.isenabled() and gc.get_freeze_count() > 1000


def test_garbage_is_not_kept_where_nothing_was_imported(thawed):
    with without_collection():
        importlib.import_module("gc")
    assert gc.isenabled() and gc.get_freeze_count() == 0


def test_a_failed_import_leaves_collection_on():
    with pytest.raises(ImportError), without_collection():
        importlib.import_module("there_is_no_such_module")
    assert gc.isenabled()
