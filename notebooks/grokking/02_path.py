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
# # 02 · The path through weight space, and whether it turns where the network groks
#
# The drifts $\Delta_t = \theta_t - \theta_0$ of all matrices that decay; the first right singular vector of their
# rows is the **backbone** $v_b$. Beside every number stands the **null**: noise at the same learning rates,
# the same weight decay, a random start, and no data, with one scale fitted to the run's last drift. `P0` is the
# cosine of the backbones before and after published step 2000, wherever the run grokked; the turn below asks there.
#
# What would speak for a turn: an angle at the grok step that is larger than the null's, and larger than elsewhere
# on the same path. Weight decay alone turns no path sharply.

# %% tags=["parameters"]
run_folder: str = ""  # the run's folder; empty: a small run of its own
draws: list = [5, 20]  # of every null, for its error; orders of the run's own steps

# %%
import os
from pathlib import Path

from IPython.display import Markdown, display

from lib.base.files import ROOT
from lib.measure.trajectory import geometry
from lib.report import run_figures, run_tables, style
from lib.workflow.play import trained
from paper.grokking import run_figures as own
from paper.grokking import run_tables as own_tables
from paper.grokking.slingshots import slingshots
from paper.grokking.turn import turn

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else trained(study="grokking")
result = geometry(folder, tuple(draws))
print(f"{len(result['steps'])} snapshots, {sum(result['tensors'].values()):,} weights")
display(
    run_tables.quantities(result, ["G0.pc1", "G0.k95", "G0.drift", "U0.mean_abs", "P0.cosine", "G0.start_cosine"])
)

# %% [markdown]
# ## The ladder of nulls
#
# The analytic null takes the steps to be independent. `momentum` is noise through the run's own optimizer,
# `lengths` has steps as long as the run's, `memory` their cosines too, `shuffled` is the run's own steps in other
# orders.

# %%
run_tables.ladder(result, ["G0.pc1", "G0.k95", "U0.early_mean", "P0.cosine"])

# %% [markdown]
# ## Along and across

# %%
style.save(run_figures.decomposition(result), folder, "02_path_decomposition")

# %%
style.save(run_figures.spectrum(result), folder, "02_path_spectrum")

# %% [markdown]
# ## Where it turns
#
# The angle between the ways into and out of every snapshot, a twentieth of the run long each. Grey: the null.
# Its control is the same path between half of that step and twice it, away from it and from spikes of the loss.

# %%
turned = turn(folder)
display(Markdown(own_tables.turn_table(turned)))
style.save(own.turning(turned), folder, "02_path_turn")

# %% [markdown]
# ## Slingshots
#
# Around spikes of the training loss: is the path less straight there than elsewhere on the same path, and does it
# come back to where it was thrown from? Straightness is the distance between four evaluations before and four after
# over the way between them; how far it comes back is 1 minus the distance after eight evaluations over the largest
# until then. A loop would be less straight and come back.

# %%
thrown = slingshots(folder)
display(Markdown(own_tables.slingshot_table(thrown)))
style.save(own.loops(thrown), folder, "02_path_slingshots")
