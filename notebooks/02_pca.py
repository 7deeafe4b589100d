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
# # 02 · The backbone of one run, and what noise would have done
#
# Take the trunk at every snapshot, subtract where it started, and look at the matrix whose rows are these
# **drifts** $\Delta_t = \theta_t - \theta_{\rm ref}$. Its first right singular vector (rows normalised, mean not
# removed) is the **backbone** $v_b$. Everything follows from the inner products of the drifts: the *digest*
# holds them in float64, per tensor, with the true $\theta_0$ as a row.
#
# $$a(t)=\langle \Delta_t, v_b\rangle,\qquad r(t)=\Delta_t-a(t)\,v_b,$$
#
# and $a^2/\lVert\Delta_t\rVert^2$ is the **backbone fraction**.
#
# A random walk has a backbone too: its late drifts contain its early ones. So every number stands beside the
# **null**: isotropic noise scaled by the learning rate, weight decay, a random start, no data,
#
# $$\theta_t=(1-\eta_t w)\,\theta_{t-1}+\eta_t\, s\, z_t ,$$
#
# with one scalar $s$ fitted to the run's last drift. What is left over, the **excess**, is the finding.
#
# That null takes steps to be independent and as long as the learning rate. The **ladder** below gives noise more
# and more of the run: its optimizer's momentum, the lengths of its steps, a slow noise with the cosines of its
# steps, and the steps themselves in another order. What a rung explains needs no learning; it may yet be learning.

# %% tags=["parameters"]
run_folder: str = ""  # the run's folder; empty: a small run of its own
draws: list = [5, 20]  # of every null, for its error; orders of the run's own steps

# %%
import os
from pathlib import Path

from IPython.display import display

from lib.base.files import ROOT
from lib.geometry.backbone import Window
from lib.geometry.null import fitted_null
from lib.measure.trajectory import geometry, run_digest, schedule
from lib.params.members import member
from lib.params.run import load_params
from lib.report import run_figures, run_tables, style
from lib.workflow.play import trained

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else trained()
params = load_params(folder / "params.yaml")
result = geometry(folder, tuple(draws))
display(run_tables.state(folder, params))
print(
    f"{len(result['steps'])} snapshots, {sum(result['tensors'].values()):,} trunk weights"
    + (f"; dropped as non-finite: {result['dropped'].tolist()}" if len(result["dropped"]) else "")
)

# %% [markdown]
# ## Observed, null, excess
#
# Each preset reproduces a definition of the reference code: `G1` is the window of its beta2 table, `G2` the whole
# run from step 1; those that end in 0 are our defaults, from the true $\theta_0$ on an even grid. `U1` and `U2`
# compare updates with the backbone they helped to make, `U0` holds them out. The error of what is observed comes
# from leaving out snapshots one by one, that of the null from drawing it again.

# %%
names = ["G0.pc1", "G0.k95", "G1.pc1", "G1.k95", "G1.drift", "G2.pc1", "G2.pc2", "G2.drift"]
names += ["U0.mean_abs", "U0in.mean_abs", "U1.mean_abs", "U2.mean_abs", "R1.mean", "P0.cosine", "G0.start_cosine"]
display(run_tables.quantities(result, names))
display(run_tables.null_fit(result))

# %% [markdown]
# ## The ladder of nulls
#
# `momentum` is noise through the run's own optimizer; SGD and AdamW's first moment are linear in the gradients, so
# it is exact, and what it assumes is that gradients have one size at every step (an Adam step has, an SGD step need
# not). `lengths` takes orthogonal steps as long as the run's own between snapshots, decay taken off. `memory`
# gives them the cosines of steps that share a part of their variance with a slow noise; its two numbers are fitted
# to the cosines of every second step and judged on the others. `shuffled` is the run's own steps in other orders.
# Errors are what such noise does from draw to draw, in as many dimensions as the steps have.

# %%
display(run_tables.ladder(result, ["G0.pc1", "G1.pc1", "G0.k95", "R0.mean", "U0.early_mean", "P0.cosine"]))
display(run_tables.memory(result))

# %% [markdown]
# ## Block by block
#
# The reference's first figures are about single blocks. The same presets on the trunk matrices of each block, with
# a null fitted to that block: raw PC1 (`G3raw`), neighbouring windows (`R3`), consecutive updates (`U3`).

# %%
run_tables.blocks(result, ["G3raw.pc1", "R3.mean", "U3.mean_abs"])

# %% [markdown]
# ## The decomposition
#
# Along the backbone, $a(t)$; across it, $\lVert r(t)\rVert$; and the backbone fraction; the null in grey. If the
# null lies on the curve, learning was not needed for it. Where $a(t)$ turns back, weight decay and a falling
# learning rate can do that by themselves.

# %%
style.save(run_figures.decomposition(result), folder, "02_pca_decomposition")

# %% [markdown]
# ## The spectrum
#
# Shares of the leading components. Their excess over the null is the part of "low-dimensional" that is not
# bookkeeping.

# %%
style.save(run_figures.spectrum(result), folder, "02_pca_spectrum")

# %% [markdown]
# ## Play
#
# Change the window and run the cell again: everything is recomputed from the digest.

# %%
window = Window(0, None)  # first and last step, e.g. Window(300, 1000)
found = run_digest(folder)
null = fitted_null(found, schedule(params), member("optim", params.optim.name).decay(1.0, params.optim))
display(run_tables.window_numbers({"observed": found, "null": null}, window))
run_figures.window_fraction({"observed": found, "null": null}, window)
