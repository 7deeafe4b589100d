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
# # 05 · Do the training pairs pull where the rule is?
#
# Directions of descent of several losses at whole snapshots: of the training pairs, of the held-out ones, of the
# logits' key frequencies alone (*restricted*) and of what is left without them (*excluded*), and of weight decay,
# which is minus the weights. A positive cosine: a step along the one helps the other. Grey is what directions
# with the same norms, turned at random, stay below in 95 of 100 draws.

# %% tags=["parameters"]
run_folder: str = ""  # the run's folder; empty: a small run of its own

# %%
import os
from pathlib import Path

from IPython.display import Markdown, display

from lib.base.files import ROOT
from lib.report import style
from lib.train.records import read_evaluations
from lib.workflow.play import trained
from paper.grokking import run_figures
from paper.grokking.interference import named_gradients
from paper.grokking.run_tables import cosines
from paper.grokking.transition import transition

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else trained(study="grokking")
points = named_gradients(folder)
display(Markdown(cosines(points)))

# %%
style.save(run_figures.cosines(points, transition(read_evaluations(folder))), folder, "05_interference")
