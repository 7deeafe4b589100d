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
# # 02 · The path through weight space, and what noise would have done
#
# The drifts $\Delta_t = \theta_t - \theta_0$ of all weight matrices, row by row; the first right singular
# vector is the **backbone** $v_b$. Beside every number stands the **null**: noise at the same learning rates,
# the same weight decay, a random start, and no data, with one scale fitted to the run's last drift. `G0` is
# the whole run on an even grid of snapshots from the true $\theta_0$; `U0` compares updates with a backbone
# that was fitted without them; `P0` is the angle between the backbones of the first and the second half.
#
# The analytic null takes the steps to be independent. What this optimizer makes of noise (its memory, and
# with AdamW its normalisation) is in `momentum`, the second rung of the ladder.

# %% tags=["parameters"]
run_folder: str = ""  # the run's folder; empty: a small run of its own
draws: list = [5, 20]  # of every null, for its error; orders of the run's own steps

# %%
import os
from pathlib import Path

from lib.base.files import ROOT
from lib.measure.trajectory import geometry
from lib.report import run_figures, style
from lib.report.run_tables import quantities
from lib.workflow.play import trained

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else trained(study="modular")
result = geometry(folder, tuple(draws))
print(f"{len(result['steps'])} snapshots, {sum(result['tensors'].values()):,} weights")
quantities(result, ["G0.pc1", "G0.k95", "G0.drift", "U0.mean_abs", "P0.cosine", "G0.start_cosine"])

# %% [markdown]
# ## Along and across

# %%
style.save(run_figures.decomposition(result), folder, "02_path_decomposition")

# %%
style.save(run_figures.spectrum(result), folder, "02_path_spectrum")
