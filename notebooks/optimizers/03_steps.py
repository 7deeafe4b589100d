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
# # 03 · What a step does to singular values
#
# Muon's step is the polar factor of its memory: of $M=USV^\top$ it keeps $UV^\top$, so that every direction of a
# matrix moves by the same length, however small its singular value is. Everything here was measured inside the
# training loop, every few steps, on each hidden matrix:
#
# * **effective rank**, $\exp(-\sum_i p_i\ln p_i)$ with $p_i=s_i/\sum_j s_j$, as a share of a Gaussian matrix's of
#   that shape, of the gradient and of the step;
# * **unevenness** of the step, $\lVert I-XX^\top\rVert_F/\sqrt k$ with $X$ scaled to $\lVert X\rVert_F=\sqrt k$:
#   0 when all singular values are equal;
# * the **cosine with the memory**: of the step and where the memory by itself would lead. It is 1 for Muon's heavy
#   ball without noise and for AdamW; Nesterov's look ahead turns a step a little, and noise in a copy turns it as
#   far as there really is noise, in whichever units its amplitude is.
#
# As executed, OrthoNoise writes its noise into the memory and then takes three steps of
# $X\leftarrow\frac32X-\frac12XX^\top X$ on it, however large it is; the plan's control writes its noise there too.
# Then the step follows the memory again, noise and all, and its cosine says nothing. Its trigger switches noise on
# while the memory's rank is below a threshold and off above it: `fired` is the share of the steps with noise,
# counted in every step. Whether it is noise that raises that rank, is for the arm without any to say: where the
# trigger fires there as well, the rewriting moves the rank by itself.

# %% tags=["parameters"]
run_folder: str = ""  # the run's folder; empty: a small run of its own
loss: float = 5.7  # of validation, up to which paths are compared
draws: list = [5, 20]  # of every null, for its error; orders of the run's own steps

# %%
import os
from pathlib import Path

import pandas
from IPython.display import Markdown, display

from lib.base.files import ROOT
from lib.params.run import load_params
from lib.report import run_tables, style
from lib.workflow.play import trained
from paper.optimizers.matched import path_to_loss
from paper.optimizers.quirks import quirks
from paper.optimizers.run_figures import steps
from paper.optimizers.run_tables import matched_table
from paper.optimizers.steps import by_group, means_of, measured_steps

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else trained("seed=1", study="optimizers")
params = load_params(folder / "params.yaml")
display(Markdown(run_tables.text_of(params.optim)), run_tables.state(folder, params))
rows = measured_steps(folder)

# %% [markdown]
# ## By group of matrices
#
# Means over the steps after the warm-up. `fired` is the share of those steps that had noise; in `stood still` the
# decomposition of a matrix failed, and nothing but decay moved it.

# %%
display(by_group(means_of(rows, params)))

# %% [markdown]
# ## Over time
#
# What an optimizer makes of a gradient is the way from the first panel to the third. The rank of the first memories
# is small whatever happens later: it is that of a few gradients.

# %%
style.save(steps(rows, params), folder, "03_steps")

# %% [markdown]
# ## As executed, and corrected
#
# What the published code does otherwise than it says, measured here on one matrix. The memory that is written back
# is no sum of gradients: small ones cannot turn it round, and a large one blows it up. The gate and the
# Newton-Schulz steps before an exact polar factor do nothing. And the noise of a wide matrix has another shape than
# the matrix, so that the published code stops there.

# %%
display(Markdown(run_tables.table(["", "parameter", "as executed", "corrected"], quirks(), words=2)))

# %% [markdown]
# ## The path up to one loss
#
# After equally many steps one optimizer has learnt more than another. So the first direction's share is measured
# again on the path from $\theta_0$ to the first evaluation with a validation loss of at most `loss`, beside the
# nulls of that part of the run alone.

# %%
matched = path_to_loss(folder, loss, tuple(draws))
display(Markdown(matched_table(matched, params)))

# %% [markdown]
# ## Play
#
# The table itself, one row a step and a group: `watch.parquet` reads with pandas, polars or DuckDB.

# %%
pandas.DataFrame(rows).tail(8)
