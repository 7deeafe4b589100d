"""A copy of the project, as it was before every test."""

from collections.abc import Iterator

import pytest

from tests.base.code_tree import Tree


@pytest.fixture(scope="session")
def copied(tmp_path_factory) -> Iterator[Tree]:
    tree = Tree(tmp_path_factory.mktemp("tree"))
    yield tree
    tree.process.stdin.close()
    tree.process.wait()


@pytest.fixture
def tree(copied) -> Iterator[Tree]:
    yield copied
    copied.restore()
