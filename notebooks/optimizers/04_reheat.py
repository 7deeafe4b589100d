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
# # 04 · Going on from a snapshot, with the momentum or without
#
# A run's weights at half of its way, a new warm-up, the same optimizer: once with the memory of gradients that it
# had there (`restored`), once with none (`fresh`). Both read the same batches. If the memory carries what matters
# of the path, the fresh one falls behind, or turns off the backbone; if not, the two go the same way.
#
# The displacement of each is split along the parent's $v_b$ and across it. The null (noise and decay at the same
# schedule) moves along $v_b$ by decay alone, and across it by all its noise.

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
from paper.optimizers.restarts import restarts
from paper.optimizers.run_figures import losses_of
from paper.optimizers.run_tables import restart_table

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else trained("seed=1", study="optimizers")
study = load_study("optimizers", "smoke")
result = restarts(folder, Branches(**protocol) if protocol else study.branches["restart"])
clear_output(wait=True)  # of what told how far each had come
display(Markdown(restart_table(result)))

# %% [markdown]
# ## Losses after the restart

# %%
curves = {"restored" if entry["restored"] else "fresh": entry for entry in result}
style.save(losses_of(curves), folder, "04_restart")
