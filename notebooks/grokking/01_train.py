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
# # 01 · Learn arithmetic modulo p
#
# A small network reads two residues $a$ and $b$ and names their sum modulo $p$. It is trained on a share of all
# $p^2$ pairs, all of them in every step, and asked for the others. It learns the training pairs by heart within
# some hundred steps; the held-out ones may follow thousands of steps later, all of a sudden or step by step. That
# is **grokking**: *memorised* is the first evaluation with 98 % of the training pairs right, *grokked* the first
# with 95 % of the held-out ones. A run that has not grokked by its end is censored: its step is beyond the end,
# not never.

# %% tags=["parameters"]
run_folder: str = ""  # the run's folder, with its params.yaml; empty: a small run of its own to play with

# %%
import os
from pathlib import Path

from IPython.display import clear_output

from lib.base.files import ROOT
from lib.params.run import dump_params, load_params
from lib.report import style
from lib.report.run_tables import state
from lib.tasks.modular.task import prepare
from lib.train.loop import train
from lib.train.places import data_store
from lib.train.records import read_evaluations
from lib.workflow.play import playground
from paper.grokking import run_figures
from paper.grokking.transition import transition

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else playground(study="grokking")
params = load_params(folder / "params.yaml")
data = prepare(params, data_store(folder))
print(f"{len(data.train)} training and {len(data.test)} held-out pairs of residues modulo {data.modulus}")
for k in data.train[:5]:
    print(*data.tokens[k], "->", data.labels[k])

# %% [markdown]
# ## Train
#
# Interrupt it whenever you like: the same cell goes on from the last saved state.

# %%
train(params, folder)
clear_output(wait=True)  # of what told how far it had come
state(folder, params)

# %% [markdown]
# ## What happened
#
# Left: the losses on the training and on the held-out pairs. Right: the share of each that is answered right,
# and what guessing gives. A network that knows the training pairs by heart can be worse than chance at the others.

# %%
found = transition(read_evaluations(folder))
print(f"memorised at step {found.memorised}, grokked at step {found.said}")
style.save(run_figures.curves(params, read_evaluations(folder)), folder, "01_train_curves")

# %% [markdown]
# ## All parameters

# %%
print(dump_params(params))
