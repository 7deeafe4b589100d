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
# # 04 · The study
#
# All runs side by side, the verdicts, and the figures of the paper. Nothing is trained or measured here.

# %% tags=["parameters"]
folder: str = ""  # the study's folder; empty: the default one of this study and profile
study: str = "modular"  # a name in params/ or a params file
profile: str = "laptop"
overrides: str = ""  # parameters by dotted name, as make takes them

# %%
import os

from IPython.display import Image, Markdown, display

from lib import open_study
from lib.base.files import ROOT
from lib.report.figures import drawings, make_figures
from lib.report.study_table import study_table
from lib.report.summary import claims_table, verdicts_of, write_summary

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
results = open_study(study, profile, overrides, folder)
named = {"test.final": "held-out pairs right at the end", "train.final": "training pairs right at the end"}
study_table(results, {**named, "G0.pc1": "", "P0.cosine": ""})

# %%
write_summary(results)
verdicts = verdicts_of(results)
display(Markdown(claims_table(verdicts)))

# %%
for drawing, path in zip(drawings(results), make_figures(results), strict=True):
    display(Markdown(f"**{drawing.name}**: {drawing.told}"), Image(path.with_suffix(".png"), width=800))
