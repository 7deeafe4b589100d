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
# # 07 · The plan's phases and their verdicts
#
# All arms side by side: losses against Muon's, seed by seed; what steps do to matrices; the geometry of the path
# against the ladder of nulls. Nothing is trained or measured here.
#
# Written before the runs. The plan expects noise to help; its own pass rules are below as claims, with the plan's
# numbers. What would speak against them: an arm without any noise that does what OrthoNoise as executed does;
# noise that helps no more than Gaussian noise of the same norm; a difference within what seeds differ by.

# %% tags=["parameters"]
folder: str = ""  # the study's folder; empty: the default one of this study and profile
study: str = "optimizers"  # a name in params/ or a params file
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
from paper.optimizers.losses import loss_rows
from paper.optimizers.phases import sentences
from paper.optimizers.tables import LOSS_HEADS

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
results = open_study(study, profile, overrides, folder)
shown = ["val.final", "loss.early", "steps.memory_rank", "steps.memory_cosine", "G0.pc1"]
results.frame(shown, parameters=["seed"])

# %% [markdown]
# ## Losses
#
# Differences from Muon of the same seed, in percent of Muon's loss: below 0 is better. `bootstrap` is the central
# 95 % of means over seeds drawn again, too short for few of them; p is the exact one of flipping signs, which with
# $n$ seeds cannot be below $2^{1-n}$. `seeds needed` is how many would tell a difference of 1 % from none.

# %%
display(Markdown(plain_table(LOSS_HEADS, loss_rows(results))))

# %% [markdown]
# ## The claims

# %%
write_summary(results)
verdicts = verdicts_of(results)
display(Markdown(claims_table(verdicts)))

# %% [markdown]
# ## The phases
#
# A phase passes when all that it asks for holds, and fails as soon as one of these is excluded or absent. The third
# was to follow where the second one passes; `make all STUDY=optimizers PROFILE=scale` runs it all the same.

# %%
display(Markdown("\n\n".join(sentences(results, verdicts))))

# %% [markdown]
# ## The figures

# %%
for drawing, path in zip(drawings(results), make_figures(results), strict=True):
    display(Markdown(f"**{drawing.name}**: {drawing.caption}"), Image(path.with_suffix(".png"), width=800))
