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
# # 06 · The study
#
# All runs side by side: the figures of the paper, the table of the reference with null and excess beside it,
# and the verdicts. Nothing is trained or measured here; what a run has not left is shown as missing.

# %% tags=["parameters"]
folder: str = ""  # the study's folder; empty: the default one of this study and profile
study: str = "beta2"  # a name in params/ or a params file
profile: str = "laptop"
overrides: str = ""  # parameters by dotted name, as make takes them

# %%
import os

from IPython.display import Image, Markdown, display

from lib import open_study
from lib.base.files import ROOT
from lib.report.figures import drawings, make_figures
from lib.report.summary import csv_of_runs, verdicts_of, write_summary
from lib.workflow.status import runs_table
from paper.beta2.tables import REFERENCE_COLUMNS

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
results = open_study(study, profile, overrides, folder)
print(runs_table(results.study, results.folder))

# %% [markdown]
# ## The table
#
# The reference's columns from our runs; `_null` is the same quantity on the no-learning null fitted to that run,
# `_excess` the difference. Read the excess.

# %%
print(csv_of_runs(results, REFERENCE_COLUMNS))

# %% [markdown]
# ## Any other quantity
#
# `results.frame` has one row a run: the parameters that differ, the scores, and whatever is asked for by name. A
# single run has its evaluations as `run.metrics()`, its Gram matrices as `run.digest`.

# %%
results.frame(["G0.pc1", "U0.mean_abs", "P0.cosine"], parts=["observed", "null", "excess"])

# %% [markdown]
# ## The claims
#
# Each claim of the paper is a test on these results. *Cannot tell* is a verdict too: one seed, or an effect
# smaller than its error.

# %%
write_summary(results)
verdicts = verdicts_of(results)
display(Markdown("\n".join(f"- **{v.verdict}**: {v.claim.claim} *({v.why})*" for v in verdicts)))

# %% [markdown]
# ## The figures

# %%
for drawing, path in zip(drawings(results), make_figures(results), strict=True):
    display(Markdown(f"**{drawing.name}**: {drawing.caption}"), Image(path.with_suffix(".png"), width=800))
