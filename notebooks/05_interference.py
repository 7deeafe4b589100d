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
# # 05 · Do the two objectives pull the same way?
#
# One forward pass gives two gradients, of the language-modelling loss and of the probe loss. Their cosine is
# called interference; with its sign it says more: **positive means that a step along one helps the other**.
# A cosine of noisy gradients is pulled towards zero by the noise, so three are shown: the mean over batches
# (the published one, from 8 of them), the cosine of the averaged gradients, and the one computed across
# *different* batches, which noise cannot bias.

# %% tags=["parameters"]
run_folder: str = ""  # the run's folder; empty: a small run of its own
steps: list = [32, 60]  # whole snapshots to look at
batches: int = 4  # the published values come from 8

# %%
import os
from pathlib import Path

from lib.base.files import ROOT
from lib.measure.gradients import gradients
from lib.report import run_figures, style
from lib.report.run_tables import interference
from lib.workflow.play import trained

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else trained()
result = gradients(folder, steps, batches)
interference(result)

# %% [markdown]
# ## Gradients and updates
#
# The paper contrasts updates, which align with the backbone, with gradients, which do not. Below, both gradients
# and their sum against $v_b$, the latest update, the decay direction $-\theta$, and (at the last step, where the
# optimizer's state is on disk) Adam's own direction. Grey is the size a random direction would have.

# %%
style.save(run_figures.interference(result), folder, "05_interference_cosines")
