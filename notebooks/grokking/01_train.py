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
# # 01 · Learn addition modulo p
#
# A small network reads two residues $a$ and $b$ and names $a + b \bmod p$. It is trained on a share of all
# $p^2$ pairs, all of them in every step, and asked for the others. It can learn the training pairs by heart;
# whether it ever answers the held-out ones is another matter, and when it does, it can be long after.

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
from paper.modular import figures

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else playground(study="modular")
params = load_params(folder / "params.yaml")
data = prepare(params, data_store(folder))
print(f"{len(data.train)} training and {len(data.test)} held-out pairs of residues modulo {data.modulus}")
for k in data.train[:5]:
    a, b = data.tokens[k]
    print(f"{a:4d} + {b:4d} = {data.labels[k]:4d}")

# %% [markdown]
# ## Train
#
# Interrupt it whenever you like: the same cell goes on from the last saved state.

# %%
record = train(params, folder)
clear_output(wait=True)  # of what told how far it had come
state(folder, params)

# %% [markdown]
# ## What happened
#
# Left: the losses on the training and on the held-out pairs. Right: the share of each that is answered right,
# and what guessing gives.

# %%
style.save(figures.curves(params, read_evaluations(folder)), folder, "01_train_curves")

# %% [markdown]
# ## All parameters

# %%
print(dump_params(params))
