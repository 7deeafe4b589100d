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
# # 01 · Train one run
#
# One small language model reads children's stories. Now and then a story carries a **probe**: a secret
# codeword is told early (*The secret code is PEAR.*) and asked for later (*What is the secret code? PEAR*).
# The model minimises two objectives at once,
#
# $$\mathcal L = \mathcal L_{\mathrm{LM}} + \lambda\,\mathcal L_{\mathrm{probe}},$$
#
# and the study asks what AdamW's $\beta_2$ does to the path it takes through weight space. Whatever else differs
# between two runs of a seed, they see the same stories in the same order, and the same probes.
#
# This notebook shows what the run is made of, trains it (or goes on where it was interrupted, or opens it if
# it is finished), and draws its curves. The snapshots it leaves behind are what every later notebook reads.

# %% tags=["parameters"]
run_folder: str = ""  # the run's folder, with its params.yaml; empty: a small run of its own to play with

# %%
import os
from pathlib import Path

from IPython.display import Markdown, clear_output, display

from lib.base.files import ROOT
from lib.params.run import dump_params, load_params
from lib.report import style
from lib.report.run_tables import state
from lib.tasks.stories.batches import readable, show
from lib.tasks.stories.task import batch, prepare
from lib.train.loop import train
from lib.train.places import data_store
from lib.train.records import read_evaluations
from lib.train.run_record import run_record
from lib.workflow.play import playground
from paper.beta2 import figures
from paper.beta2.filler_figures import over_snapshots
from paper.beta2.fillers import fillers
from paper.beta2.run_tables import experiment

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
folder = Path(run_folder) if run_folder else playground()
params = load_params(folder / "params.yaml")
experiment(params)

# %% [markdown]
# ## What it reads
#
# Stories are tokenised once, packed into one array and shared by all runs. The tokenizer knows the codewords
# as single tokens, so that finding the answer is one prediction and not a spelling exercise.

# %%
data = prepare(params, data_store(folder))
corpus = data.corpus
print(
    f"{len(corpus.train):,} training and {len(corpus.validation):,} validation stories, "
    f"{len(corpus.train.tokens):,} training tokens, vocabulary {corpus.vocab:,}"
)
display(Markdown("\n\n---\n\n".join(readable(corpus, corpus.train.story(i)) for i in range(3))))

# %% [markdown]
# ## A batch and its probes
#
# Batch $k$ is a pure function of the seed and $k$. Below are examples of the first batch as the model sees
# them. The scored answer stands in [[ ]]: the model must copy the codeword from the key it read before. A part of a
# letter, as random tokens have them, is a dot.
# Gaps between key and question lie in `task.probe.gap_in` here; the question after a longer gap
# (`task.probe.gap_ood`) is only ever asked in evaluation. That accuracy is $p_{\mathrm{ood}}$.

# %%
first = batch(data, params, step=1)
print(f"batch 1: {first.probed.sum()} of {len(first.probed)} examples carry a probe; hash {first.digest}\n")
for index in first.probed.nonzero()[0][:3]:
    print(show(corpus, first, index), "\n")

# %%
ood = data.sets["ood"]
print("An out-of-distribution evaluation example, gap", ood.gaps[0], "\n")
print(readable(corpus, ood.tokens[0]))

# %% [markdown]
# ## The schedules
#
# The learning rate warms up linearly to `optim.lr`, then follows a cosine down to `min_lr_ratio` of it.
# `clamped` (as the published runs were executed) cuts the cosine off at the floor; `affine` reaches the
# floor only at the last step. $\lambda$ steps from `lambda_probe` to `lambda_probe2` at `lambda_step`, which
# in the published sweep is the very last step.

# %%
style.save(figures.schedules(params), folder, "01_train_schedules")

# %% [markdown]
# ## Train
#
# Interrupt it whenever you like: the same cell goes on from the last checkpoint, and the finished run is the
# same to the last bit.

# %%
train(params, folder)
clear_output(wait=True)  # of what told how far it had come
state(folder, params)

# %% [markdown]
# ## What happened
#
# Top left: the language-modelling loss in training and validation. Top right: $p_{\mathrm{in}}$ and
# $p_{\mathrm{ood}}$, the share of probes answered right at gaps seen in training and at longer ones. Look whether
# $p_{\mathrm{ood}}$ comes down again while $p_{\mathrm{in}}$ stays. Bottom: the answer's NLL, which can move
# before the accuracies do, and the gradient norm, which clipping cuts to `optim.clip`. A run that diverged is
# drawn as far as it is finite, and says where it ended.

# %%
figure = figures.training_curves(params, run_record(folder), read_evaluations(folder))
style.save(figure, folder, "01_train_curves")

# %% [markdown]
# ## Tokens or gap?
#
# The published evaluation fills with `random` tokens of the vocabulary, some of which no story has; a longer gap
# holds more of them. The snapshots that hold the whole model are asked again, at the same gaps, after tokens that
# stories have ten times or more (`seen`), tokens as frequent as in stories (`unigram`), a story in random order
# (`shuffled`) and a `story`. Where `random` and `seen` part, a fall is about tokens that training hardly reads. On
# the right the gap is short and a long prefix holds the filler: what falls there does not fall for the gap. Which
# filler the curves further up have says `task.probe.filler`. Bars are two standard errors.

# %%
style.save(over_snapshots(fillers(folder)), folder, "01_train_fillers")

# %% [markdown]
# ## Every parameter

# %%
print(dump_params(params))
