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
# # 03 · How stiff is the path?
#
# Rayleigh quotients of the Fisher matrix along directions, over those of random ones. With a full batch all
# batches are the same one, so the spread over batches that elsewhere gives an error is zero here and says
# nothing.

# %% tags=["parameters"]
run_folder: str = ""  # the run's folder; empty: a small run of its own
steps: list = [20, 50, 100, 200]  # whole snapshots to look at
batches: list = [1, 1, 4]  # for the empirical Fisher, the sampled-label Fisher, the batch gradients

# %%
import os
from pathlib import Path

from lib.base.files import ROOT
from lib.measure.curvature import curvature
from lib.report import run_figures, style
from lib.report.run_tables import anisotropy
from lib.workflow.play import trained

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else trained(study="modular")
result = curvature(folder, steps, batches)
anisotropy(result)

# %%
style.save(run_figures.anisotropy(result), folder, "03_curvature_anisotropy")
