"""One evaluation: one pass with logits where they are scored, against two passes with logits everywhere."""

from bench.measure import Clock, Differs, Pair, agree, interleaved
from bench.plain_train import PlainRun
from bench.training import CPU, Bench, OurRun
from lib.models.products import fast_products
from lib.tasks.stories.batches import validation_batch
from lib.tasks.stories.evaluate import evaluate_all
from lib.tasks.stories.probe import eval_sets

TOLERANCE = 1e-5  # relative, of the losses


def evaluation(bench: Bench, count: int, train_first: int = 20) -> tuple[Pair, float]:
    """`count` evaluations of the same weights both ways, a few steps into training, and how well they agree."""
    mine = OurRun(bench)
    for step in range(1, train_first + 1):
        mine.step(step, Clock())
    theirs = PlainRun(bench.p, bench.corpus, bench.probes, 1)
    theirs.model.load_state_dict(mine.model.state_dict(), strict=False)
    sets = eval_sets(bench.corpus, bench.probes, bench.p)
    worst = 0.0

    def ours() -> dict[str, float]:
        with fast_products(mine.model, CPU):  # as in the training loop
            return evaluate_all(mine.model, validation_batch(bench.corpus, bench.p, train_first), sets, False)[0]

    def check(plain: dict[str, float], scores: dict[str, float]) -> None:
        nonlocal worst
        worst = max(worst, same_scores(plain, scores, bench.p.probe.eval_examples))

    pair = interleaved("evaluation", count, lambda: theirs.evaluate(train_first), ours, check)
    examples = bench.p.eval.stories + 2 * bench.p.probe.eval_examples
    pair.note = f"{examples} examples, plain with {examples + 2 * bench.p.probe.eval_examples} forward passes"
    return pair, worst


def same_scores(plain: dict[str, float], ours: dict[str, float], examples: int) -> float:
    """Losses agree; of the accuracies, one example may hang on the last bit of a tie."""
    for name in ("probe_in_acc", "probe_ood_acc"):
        if abs(plain[name] - ours[name]) > 1.5 / examples:
            raise Differs(f"{name}: plain {plain[name]:.6f}, ours {ours[name]:.6f}")
    losses = [name for name in plain if not name.endswith("acc")]
    return agree("evaluation", {n: plain[n] for n in losses}, {n: ours[n] for n in losses}, TOLERANCE)
