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
# which can never be negative; the mean of $p_{\rm ood}$ above its start can.
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

from IPython.display import clear_output

from lib.base.files import ROOT
from lib.params.branches import Branches
from lib.report import style
from lib.workflow.play import short_branch, trained
from paper.beta2 import figures
from paper.beta2.reheat import reheat
from paper.beta2.run_tables import reheats_table

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else trained()
result = reheat(folder, Branches(**protocol) if protocol else short_branch())
clear_output(wait=True)  # of what told how far each had come
reheats_table(result)

# %% [markdown]
# ## What to see
#
# Does $p_{\rm ood}$ leave its start at all? Compare the learning rates, and compare a mid with a late snapshot.
# Then look at the bars: how much of the movement is along the backbone, forwards or (below zero) back, how much
# across it, and how much of that noise alone would give.

# %%
style.save(figures.reheats(result), folder, "04_reheat_curves")
