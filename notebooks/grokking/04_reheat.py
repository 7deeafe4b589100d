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
# # 04 · Going on from before and from after the transition
#
# Take the weights of a network that has memorised, of one on its way, and of one that has grokked; forget the
# optimizer, warm up again, and train on, with the same weight decay or with none. The gain is
#
# $$G=\max_t a(t)-a(\text{start})$$
#
# of the test accuracy $a$. It can never be negative, so beside it stands what the run itself gained in as many
# steps. If decay is what moves a memorised network towards the rule, a branch without it gains less.

# %% tags=["parameters"]
run_folder: str = ""  # the run's folder; empty: a small run of its own
protocol: dict = {}  # the study's branches; empty: those of the smoke profile

# %%
import os
from pathlib import Path

from IPython.display import Markdown, clear_output, display

from lib.base.files import ROOT
from lib.params.branches import Branches
from lib.params.study import load_study
from lib.report import style
from lib.workflow.play import trained
from paper.grokking import run_figures
from paper.grokking.reheat import reheat
from paper.grokking.run_tables import reheats

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else trained(study="grokking")
result = reheat(folder, Branches(**protocol) if protocol else load_study("grokking", "smoke").branches["reheat"])
clear_output(wait=True)  # of what told how far each had come
display(Markdown(reheats(result)))

# %%
style.save(run_figures.reheats(result), folder, "04_reheat")
