"""One pass over each evaluation set: accuracy, NLL and per-example correctness together."""

from dataclasses import dataclass

import numpy as np
import torch

from lib.models.gpt import GPT
from lib.tasks.stories.batches import Batch
from lib.tasks.stories.loss import head_logits, position_losses
from lib.tasks.stories.probe import EvalSet

CHUNK = 64  # sequences in one forward pass


@dataclass(frozen=True)
class Scores:
    correct: np.ndarray  # (N,) bool: every answer token is the argmax
    answer_nll: float  # mean cross-entropy over the answer positions
    language_nll: float  # mean cross-entropy over the other scored positions; nan if there are none

    @property
    def accuracy(self) -> float:
        return float(self.correct.mean())


@torch.inference_mode()
def evaluate(model: GPT, tokens: np.ndarray, answer: np.ndarray, language: np.ndarray, autocast: bool) -> Scores:
    """Score a set in chunks of similar length; logits are computed at scored positions only.

    Arguments are as in `Batch` and `EvalSet`: (N, L + 1) tokens, (N, L) masks. An example is correct when
    all its answer positions are, and examples without answer positions are never correct.
    """
    device = next(model.parameters()).device
    scored = answer | language
    lengths = np.where(scored.any(1), scored.shape[1] - scored[:, ::-1].argmax(1), 0)
    order = np.argsort(lengths, kind="stable")
    wrong = np.zeros(len(tokens), dtype=bool)
    sums = np.zeros(2)
    for start in range(0, len(order), CHUNK):
        at = order[start : start + CHUNK]
        length = int(lengths[at].max())
        if length == 0:
            continue
        rows, columns = np.nonzero(scored[at, :length])
        inputs = torch.from_numpy(tokens[at, :length]).to(device)
        targets = torch.from_numpy(tokens[at][rows, columns + 1]).to(device)
        flat = torch.from_numpy(rows * length + columns).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            hidden = model(inputs).flatten(0, 1)[flat]
        losses = position_losses(hidden, model.tok_emb.weight, targets, autocast).double().cpu().numpy()
        is_answer = answer[at][rows, columns]
        sums += losses[is_answer].sum(), losses[~is_answer].sum()
        asked = torch.from_numpy(is_answer).to(device)
        said = head_logits(hidden[asked], model.tok_emb.weight, autocast).argmax(-1)
        missed = (said != targets[asked]).cpu().numpy()
        wrong[at[rows[is_answer][missed]]] = True
    with np.errstate(invalid="ignore", divide="ignore"):
        answer_nll, language_nll = sums / np.array([answer.sum(), language.sum()])
    return Scores(~wrong & answer.any(1), float(answer_nll), float(language_nll))


def evaluate_all(
    model: GPT, validation: Batch, sets: dict[str, EvalSet], autocast: bool
) -> tuple[dict[str, float], dict[str, str]]:
    """(the record with the reference's field names, who was right: one hex digit per four examples)."""
    val = evaluate(model, validation.tokens, validation.answer, validation.language, autocast)
    # Of the set at training gaps only the answers are reported.
    language = {name: s.language if name == "ood" else np.zeros_like(s.language) for name, s in sets.items()}
    scores = {name: evaluate(model, s.tokens, s.answer, language[name], autocast) for name, s in sets.items()}
    ood = scores["ood"]
    record = {
        "val_loss": val.language_nll,
        "probe_in_acc": scores["in"].accuracy,
        "probe_ood_acc": ood.accuracy,
        "nll_in": scores["in"].answer_nll,
        "nll_ood": ood.answer_nll,
        "lm_ood": ood.language_nll,
        "r_ood": ood.answer_nll / max(ood.language_nll, 1e-8),
    }
    correct = {f"correct_{name}": np.packbits(s.correct).tobytes().hex() for name, s in scores.items()}
    return record, correct
