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
# All runs side by side: the table of the reference with null and excess beside it, the verdicts, and the figures
# of the paper. Nothing is trained or measured here; what a run has not left is shown as missing.

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
from lib.report.summary import claims_table, verdicts_of, write_summary
from lib.workflow.status import runs_table

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
results = open_study(study, profile, overrides, folder)
print(runs_table(results.study, results.folder))

# %% [markdown]
# ## The table
#
# One column a run: what became of it, its scores, and the reference's columns, each beside the same quantity on the
# no-learning null fitted to that run, and the difference. Read the excess.
#
# Any other quantity can be asked for by its name. A single run has more: `results.runs[0].metrics()` is a table of
# its evaluations, `.digest` its Gram matrices, `.snapshots` its weights.

# %%
columns = ["G1.pc1", "G1.k95", "G1.k99", "G1.drift", "U1.mean_abs"]
results.frame(columns, parts=["observed", "null", "excess"]).T

# %% [markdown]
# ## The claims
#
# Each claim of the paper is a test on these results. *Cannot tell* is a verdict too: one seed, or an effect
# smaller than its error.

# %%
write_summary(results)
verdicts = verdicts_of(results)
display(Markdown(claims_table(verdicts)))

# %% [markdown]
# ## The figures

# %%
for drawing, path in zip(drawings(results), make_figures(results), strict=True):
    display(Markdown(f"**{drawing.name}**: {drawing.caption}"), Image(path.with_suffix(".png"), width=800))
