"""The learning rate of every step."""

import math

from lib.params.run import ScheduleParams


def learning_rate(step: int, peak: float, s: ScheduleParams) -> float:
    """Learning rate of optimizer step `step` (the first step is 1).

    Warm-up: peak * t / W for t < W. Then a cosine over x = (t - W) / (T - W) with floor m = min_lr_ratio:
    `clamped` is peak * max((1 + cos(pi x)) / 2, m), as the published runs were executed; `affine` is
    peak * (m + (1 - m) (1 + cos(pi x)) / 2), which reaches the floor only at the last step. `constant` stays
    at the peak.
    """
    if step < s.warmup:
        return peak * step / s.warmup
    if s.decay == "constant":
        return peak
    x = min((step - s.warmup) / max(1, s.steps - s.warmup), 1.0)
    cosine = 0.5 * (1.0 + math.cos(math.pi * x))
    if s.decay == "clamped":
        return peak * max(cosine, s.min_lr_ratio)
    return peak * (s.min_lr_ratio + (1.0 - s.min_lr_ratio) * cosine)
