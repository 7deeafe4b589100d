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
# # 03 · Is the backbone a stiff direction?
#
# Curvature along a direction $v$ is measured by its Rayleigh quotient with the Fisher matrix,
# $q(v)=\langle (g\cdot v)^2\rangle/\lVert v\rVert^2$. "Fisher" means at least three things, and in the same
# direction they differ many times over; each is named wherever it is shown:
#
# - **empirical**: gradients of single sequences, with the labels of the data;
# - **sampled-label**: labels drawn from the model, the true Fisher;
# - **squared batch gradient**: what the reference code computed; it depends on the batch size.
#
# The baseline is exact: a random direction orthogonal to $v$ has $q=(\mathrm{tr}F-q(v))/(D-1)$. Above one, the
# **anisotropy** says how much stiffer than random a direction is. The reference projected on directions in another
# parameter order than its gradients, so its published values are void; here one order serves both, and a test
# holds it.

# %% tags=["parameters"]
run_folder: str = ""  # the run's folder; empty: a small run of its own
steps: list = [8, 20, 32, 40, 60, 80]  # whole snapshots to look at
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
folder = Path(run_folder) if run_folder else trained()
result = curvature(folder, steps, batches)
print(f"batches {result['batches'][:12]} of {result['size']} sequences, the same for every snapshot and run")
anisotropy(result)

# %% [markdown]
# ## What to see
#
# `random` should sit at one: if it does not, the errors are too small. An optimizer's step lies where the
# gradients are large, so the latest update can be stiff for that reason alone. The question is the backbone: is
# it stiffer than a random direction, and is it so early and late?

# %%
style.save(run_figures.anisotropy(result), folder, "03_fisher_anisotropy")
