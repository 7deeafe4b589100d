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
# # 03 · Curvature through the transition
#
# What was measured of the whole model while it was trained: gradients, the trace of the Hessian and of the Fisher
# matrix, and how strongly the answers hang on the input; the bands are standard errors over the fixed examples
# and probes. Then Rayleigh quotients of the Fisher matrix along directions, over those of random ones. With a
# full batch all batches are the same one, so that the spread over batches that elsewhere gives an error is not
# there.

# %% tags=["parameters"]
run_folder: str = ""  # the run's folder; empty: a small run of its own
steps: list = [20, 40, 100, 200]  # whole snapshots to look at
batches: list = [1, 1, 1]  # for the empirical Fisher, the sampled-label Fisher, the batch gradients

# %%
import os
from pathlib import Path

from lib.base.files import ROOT, WATCH
from lib.measure.curvature import curvature
from lib.report import run_figures, style
from lib.report.run_tables import anisotropy
from lib.train.records import read_evaluations
from lib.train.watch import read_rows
from lib.workflow.play import trained
from paper.grokking import run_figures as own
from paper.grokking.transition import transition

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else trained(study="grokking")
rows = read_rows(folder) if (folder / WATCH).exists() else []
style.save(own.watched(rows, transition(read_evaluations(folder))), folder, "03_curvature_watched")

# %% [markdown]
# ## Along directions of the path

# %%
result = curvature(folder, steps, batches)
anisotropy(result)

# %%
style.save(run_figures.anisotropy(result), folder, "03_curvature_anisotropy")
