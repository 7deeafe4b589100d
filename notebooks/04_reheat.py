# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 · Reheating
#
# Take a snapshot, forget the optimizer, warm up again, give the probe a larger $\lambda$, and train on for a short
# while: does the probe come back? The published gain is
#
# $$G=\max_t p_{\rm ood}(t)-p_{\rm ood}(\text{first evaluation}),$$
#
# which can never be negative; the mean of $p_{\rm ood}$ above its start (`area`) can.
#
# The claim is that reheating re-excites *transverse* modes while the backbone stays. So the displacement of
# each reheat is split along the parent's $v_b$ and across it. The null (noise and decay at the same schedule) moves
# along $v_b$ by decay alone, and across it by all its noise: a direction among many is rarely met.

# %% tags=["parameters"]
run_folder: str = ""  # the run's folder; empty: a small run of its own
protocol: dict = {}  # the study's branches; empty: one short condition

# %%
import os
from pathlib import Path

from lib.base.files import ROOT
from lib.params.stages import Branches
from lib.report import style
from lib.workflow.play import short_branch, trained
from paper.beta2 import figures
from paper.beta2.reheat import reheat

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else trained()
result = reheat(folder, Branches(**protocol) if protocol else short_branch())
print(
    f"{'from':>6} {'lr':>7} {'start':>6} {'peak':>6} {'at':>5} {'G':>6} {'area':>7} "
    f"{'along':>7} {'null':>7} {'across':>7} {'null':>7}"
)
for c in result:
    print(
        f"{c['ckpt_step']:6d} {c['lr']:7.0e} {c['start_p_ood']:6.3f} {c['peak_p_ood']:6.3f} {c['peak_step']:5d} "
        f"{c['gain']:6.3f} {c['area']:+7.3f} {c['along']:7.2f} {c['null_along']:7.2f} {c['across']:7.2f} "
        f"{c['null_across']:7.2f}"
    )
if not result:
    print("no condition: this run has none of the snapshots that the protocol starts from")

# %% [markdown]
# ## What to see
#
# Does p_ood leave its start at all? Compare the learning rates, and compare a mid with a late snapshot. Then look
# at the two bars: how much of the movement is across the backbone, and how much of that noise alone would give.

# %%
style.save(figures.reheats(result), folder, "04_reheat_curves")
