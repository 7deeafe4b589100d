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
# # 06 · The circuit
#
# The logits of all pairs are a table over $(a, b)$; of its Fourier components those at $(k, k)$ depend on $a + b$
# alone. Their share of the power is 1 for a perfect table of sums, and $1/(p+1)$ for white noise; a network that
# has learnt nothing has less, since what it makes of $a$ and of $b$ is added up. The **key frequencies** have at
# least 0.15 of the largest power among them. What is left with the keys alone and without them says whether the
# answers go through them: if so, the loss without the keys is far larger, while leaving out as many components off
# that diagonal changes little, be they any or those with the most power. That is the control.

# %% tags=["parameters"]
run_folder: str = ""  # the run's folder; empty: a small run of its own

# %%
import os
from pathlib import Path

from IPython.display import Markdown, display

from lib.base.files import ROOT
from lib.params.run import load_params
from lib.report import style
from lib.train.records import read_evaluations
from lib.workflow.play import trained
from paper.grokking import run_figures
from paper.grokking.circuits import circuits
from paper.grokking.run_tables import circuit_table
from paper.grokking.transition import transition

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else trained(study="grokking")
result = circuits(folder)
display(Markdown(circuit_table(result)))

# %% [markdown]
# ## Progress
#
# The share of the operation and the three losses, over the run.

# %%
p = load_params(folder / "params.yaml").task.p
found = transition(read_evaluations(folder))
style.save(run_figures.progress(result, found, p), folder, "06_circuits_progress")

# %% [markdown]
# ## Frequencies
#
# Shares of power by frequency, of what the network makes of a residue first, and of its logits: at the start and at
# the end.

# %%
style.save(run_figures.frequencies(result), folder, "06_circuits_frequencies")
