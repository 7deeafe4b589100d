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
# # 06 · Fine-tuning, the plan's third phase
#
# The published runs fine-tune models that AdamW had trained. Here too: from the last weights of an AdamW run each
# optimizer goes on with stories of another slice, those that speak of a tree or a stone, at its own learning rate
# and with nothing in its memory. Validation is of that slice. All of them read the same batches.
#
# Written before the runs. The plan asks of its third phase an advantage of more than half a percent. What would
# speak against noise: the loss that Muon has without it.

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
from paper.optimizers.restarts import finetuned
from paper.optimizers.run_figures import losses_of
from paper.optimizers.run_tables import finetune_table

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else trained("optim.name=adamw optim.lr=1e-3", study="optimizers")
study = load_study("optimizers", "smoke")
result = finetuned(folder, Branches(**protocol) if protocol else study.branches["finetune"])
clear_output(wait=True)  # of what told how far each had come
display(Markdown(finetune_table(result)))

# %% [markdown]
# ## Losses on the slice
#
# The first value is that of the weights as they came.

# %%
curves = {entry["arm"]: entry for entry in result}
style.save(losses_of(curves), folder, "06_finetune")
