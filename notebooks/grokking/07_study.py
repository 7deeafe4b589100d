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
# # 07 · The study
#
# All runs side by side: when they memorise and when they grok, with censoring; whether the path, the curvature or
# the circuit changes where the accuracy does; the verdicts, and the figures of the paper. Nothing is trained or
# measured here. A median of grok steps is Kaplan and Meier's: runs that had not grokked by their end count as
# long as they were looked at.

# %% tags=["parameters"]
folder: str = ""  # the study's folder; empty: the default one of this study and profile
study: str = "grokking"  # a name in params/ or a params file
profile: str = "laptop"
overrides: str = ""  # parameters by dotted name, as make takes them

# %%
import os

from IPython.display import Image, Markdown, display

from lib import open_study
from lib.base.files import ROOT
from lib.report.figures import drawings, make_figures
from lib.report.run_tables import plain_table
from lib.report.summary import claims_table, verdicts_of, write_summary
from paper.grokking.groks import GROK_HEADS, grok_rows

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
results = open_study(study, profile, overrides, folder)
display(Markdown(plain_table(GROK_HEADS, grok_rows(results))))

# %% [markdown]
# ## The claims

# %%
write_summary(results)
verdicts = verdicts_of(results)
display(Markdown(claims_table(verdicts)))

# %% [markdown]
# ## The figures

# %%
for drawing, path in zip(drawings(results), make_figures(results), strict=True):
    display(Markdown(f"**{drawing.name}**: {drawing.told}"), Image(path.with_suffix(".png"), width=800))
