"""Where data and results lie, for runs, branches, and notebooks that make did not execute."""

from lib.train.places import data_store, results_place


def test_runs_share_the_data_beside_their_study(tmp_path):
    (tmp_path / "corpora").mkdir()  # somebody's own, which nothing is to be written to
    study = tmp_path / "outputs" / "beta2-smoke"
    for run in (study / "run", study / "superseded" / "run.1"):
        assert data_store(run) == tmp_path / "outputs" / "corpora"
        for home in (run, run / "by_hand"):
            branches = home / "branches"
            for branch in (branches / "ckpt40", branches / "superseded" / "ckpt40.1"):
                assert data_store(branch) == tmp_path / "outputs" / "corpora", branch


def test_what_make_did_not_execute_writes_beside_what_it_made(tmp_path, monkeypatch):
    monkeypatch.delenv("BACKBONE_STAGE", raising=False)
    assert results_place(tmp_path) == tmp_path / "by_hand"
    monkeypatch.setenv("BACKBONE_STAGE", "02_pca")
    assert results_place(tmp_path) == tmp_path
