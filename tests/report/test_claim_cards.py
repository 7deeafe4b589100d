"""Cards of claims: what is drawn is what was judged, where it should be, and nothing breaks out of a picture."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from lib.report.axis import level_mark
from lib.report.claim_cards import ASKED, LEFT, NULL, RIGHT, VALUE, WIDTH, claim_card
from lib.report.reader import collect
from lib.report.site import build_report
from lib.report.summary import verdicts_of, write_summary
from tests.study_folder import smoke_study, write_reheat, write_study

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    study, folder = smoke_study(), tmp_path_factory.mktemp("study")
    write_study(folder, study, pc1={0.99: 66.0, 0.95: 68.0, 0.90: 71.0, 0.80: 74.0})
    write_reheat(folder, study, 0.95, 0.3)
    write_reheat(folder, study, 0.80, 0.1)
    return collect(study, folder)


@pytest.fixture(scope="module")
def verdicts(results):
    return {verdict.claim.id: verdict for verdict in verdicts_of(results)}


def drawn(results, verdict):
    return ElementTree.fromstring(claim_card(results, verdict))


def texts(picture):
    return [text.text for text in picture.iter(f"{SVG}text")]


def dots(picture):
    return [float(dot.get("cx")) for dot in picture.iter(f"{SVG}circle") if dot.get("fill") == VALUE]


def test_every_claim_has_a_card_inside_its_frame(results, verdicts):
    for verdict in verdicts.values():
        picture = drawn(results, verdict)
        bottom = float(picture.get("viewBox").split()[3])
        assert f"● {verdict.verdict}" in texts(picture)
        assert any(f"memory: {verdict.null}" in text for text in texts(picture)) == bool(verdict.null)
        for shape in picture.iter():
            for name, most in (
                ("x", WIDTH),
                ("cx", WIDTH),
                ("x1", WIDTH),
                ("x2", WIDTH),
                ("y1", bottom),
                ("cy", bottom),
            ):
                assert 0 <= float(shape.get(name) or 0) <= most, (verdict.claim.id, shape.tag, name)
            assert "nan" not in (shape.get("d") or "") + (shape.get("cx") or "")


def test_values_stand_where_the_axis_says(results, verdicts):
    """Between the marks of the axis, at what the verdict's own figures are."""
    verdict = verdicts["backbone-dominant"]
    picture = drawn(results, verdict)
    marks = {
        float(t.text): float(t.get("x")) for t in picture.iter(f"{SVG}text") if t.get("text-anchor") == "middle"
    }
    (a, at_a), *_, (b, at_b) = sorted(marks.items())
    read = [a + (x - at_a) / (at_b - at_a) * (b - a) for x in dots(picture)]
    tested = [f for f in verdict.figures if f.quantity == verdict.claim.test.quantity and f.part == "observed"]
    assert read == pytest.approx([f.value for f in tested], abs=0.01 * (b - a))
    assert [level_mark(f.level) for f in tested] == [
        t for t in texts(picture) if t in ("0.99", "0.95", "0.9", "0.8")
    ]
    asked = [float(line.get("x1")) for line in picture.iter(f"{SVG}line") if line.get("stroke") == ASKED]
    limits = [a + (x - at_a) / (at_b - at_a) * (b - a) for x in asked]
    assert limits == pytest.approx([60, 80], abs=0.01 * (b - a))


def test_the_null_is_a_diamond_and_only_where_there_is_one(results, verdicts):
    def diamonds(name):
        return sum(path.get("stroke") == NULL for path in drawn(results, verdicts[name]).iter(f"{SVG}path"))

    assert diamonds("backbone-dominant") == 4 and diamonds("loss-rises") == 0


def test_a_moved_value_moves_its_dot(tmp_path, results, verdicts):
    study = smoke_study()
    write_study(tmp_path, study, pc1={0.99: 66.0, 0.95: 68.0, 0.90: 71.0, 0.80: 79.0})
    other = collect(study, tmp_path)
    moved = {verdict.claim.id: verdict for verdict in verdicts_of(other)}["backbone-dominant"]
    assert dots(drawn(other, moved)) != dots(drawn(results, verdicts["backbone-dominant"]))


def test_missing_runs_are_said_and_nothing_is_drawn_as_zero(tmp_path):
    study = smoke_study()
    write_study(tmp_path, study, skip=(0.80,))
    results = collect(study, tmp_path)
    verdict = next(v for v in verdicts_of(results) if v.claim.id == "backbone-dominant")
    picture = drawn(results, verdict)
    assert len(dots(picture)) == 3 and "missing" in texts(picture)
    assert all(LEFT <= x <= WIDTH - RIGHT for x in dots(picture))


def test_no_run_at_all(tmp_path):
    results = collect(smoke_study(), tmp_path)
    for verdict in verdicts_of(results):
        assert dots(drawn(results, verdict)) == []


def test_a_name_cannot_break_out_of_the_picture(results, verdicts):
    verdict = verdicts["backbone-dominant"]
    claim = verdict.claim.model_copy(update={"claim": '"><script>x</script>'})
    text = claim_card(results, replace(verdict, claim=claim))
    assert "<script" not in text and ElementTree.fromstring(text).get("aria-label").startswith('"><script>x')


# ----------------------------------------------------------------------------------------------------- in the page


def test_the_report_opens_with_the_answers_and_has_a_card_a_claim(results, verdicts):
    write_summary(results)
    text = build_report(results).read_text()
    assert text.count("aria-label") >= len(verdicts) and text.count("<article") == len(verdicts)
    opening = text[text.index("<h1>") : text.index("<nav")]
    said = [verdict for verdict in verdicts.values() if verdict.claim.headline]
    assert said and all(f'<a href="#claim-{v.claim.id}">' in opening for v in said)
    assert re.findall(r'class="verdict \w+">([^<]+)<', opening) == [v.verdict for v in said]


def test_a_card_is_left_out_where_the_summary_says_something_else(results):
    write_summary(results)
    path = results.folder / "summary" / "claims.json"
    path.write_text(path.read_text().replace('"verdict": "holds"', '"verdict": "excluded"'))
    text = build_report(results).read_text()
    assert "● holds" not in text and "● cannot tell" in text


def test_the_paper_is_linked_where_it_is_one_of_these_results(results, tmp_path):
    folder = tmp_path / "paper" / "any"
    folder.mkdir(parents=True)
    ours = replace(results, paper=replace(results.paper, folder=folder), claims=())
    ours.paper.build.mkdir(parents=True)
    ours.paper.pdf.write_bytes(b"%PDF-1.5 a paper")
    beside = results.folder / "report" / "any.pdf"
    here = str(results.folder.resolve())
    for built_for, linked in (("/another/place", False), (here, True), (results.folder.name, False)):
        (ours.paper.build / "built_for").write_text(built_for)
        assert ('href="any.pdf"' in build_report(ours).read_text()) == beside.is_file() == linked
