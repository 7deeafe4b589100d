"""What the probe weighs in the loss. Figures draw it, and drawing needs no torch."""

from lib.params.run import Params


def probe_weight(step: int, p: Params) -> float:
    """lambda(t): `lambda_probe` before `lambda_step`, `lambda_probe2` from it on (the same when it is null)."""
    if p.task.lambda_probe2 is not None and step >= p.task.lambda_step:
        return p.task.lambda_probe2
    return p.task.lambda_probe
