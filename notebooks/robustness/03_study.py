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
# # 03 · What sets the path
#
# The same run again and again, each time with one thing changed. All arms side by side, against the ladder of
# nulls; differences from the base seed by seed; slopes over trunk and steps. Nothing is trained or measured here.
#
# A large excess is no proof of learning, and a small one no proof against it. What would speak against: an excess
# that noise with the run's own lengths of steps or with memory has too; one that an average over snapshots makes,
# whose run learns nothing more than the base; one that does not care what is learnt; a memory that is a fixed
# number of steps, however long the run.

# %% tags=["parameters"]
folder: str = ""  # the study's folder; empty: the default one of this study and profile
study: str = "robustness"  # a name in params/ or a params file
profile: str = "laptop"
overrides: str = ""  # parameters by dotted name, as make takes them

# %%
import os

import pandas
from IPython.display import Image, Markdown, display

from lib import open_study
from lib.base.files import ROOT
from lib.report.figures import drawings, make_figures
from lib.report.paired import difference, slope
from lib.report.quantities import BEYOND
from lib.report.summary import claims_table, verdicts_of, write_summary
from paper.robustness.arms import BASE, LENGTHS, TRUNKS, length, there, weights

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
results = open_study(study, profile, overrides, folder)
results.frame(["decay.sum", "G0.pc1", "M.share", "M.time", "M.size"], parameters=["seed"])

# %% [markdown]
# ## The arms
#
# PC1, and what is left of it on every rung: means over seeds and half of their 95 % intervals. `decay.left` is what
# decay alone leaves of the initial weights, in percent.

# %%
shown = {"PC1": "observed", **{f"beyond {rung}": part for part, rung in BEYOND.items()}}
memory = ("M.share", "M.time", "M.judged", "M.size")


def cells(found):
    return f"{found.value:.4g}" + (f" ± {found.interval:.2g}" if found.interval else "") if found.value else "--"


rows = {
    arm: {"decay.left": cells(results.at(arm, "decay.left")), "loss": cells(results.at(arm, "val.final"))}
    | {title: cells(results.at(arm, "G0.pc1", part)) for title, part in shown.items()}
    | {name: cells(results.at(arm, name)) for name in memory}
    for arm in results.levels
}
pandas.DataFrame.from_dict(rows, orient="index")

# %% [markdown]
# ## Differences from the base, seed by seed

# %%
rows = {
    arm: {title: cells(difference(results, arm, BASE, "G0.pc1", part)) for title, part in shown.items()}
    | {name: cells(difference(results, arm, BASE, name)) for name in memory}
    for arm in results.levels
    if arm != BASE
}
pandas.DataFrame.from_dict(rows, orient="index")

# %% [markdown]
# ## Slopes
#
# For ten times the weights of the trunk, and for ten times the steps. Of the memory's share, time and size they are
# exponents: a time constant of a fixed number of steps has -1 against the steps, one of a fixed share of the run 0.

# %%
groups = {"weights": (there(results, TRUNKS), weights), "steps": (there(results, LENGTHS), length)}
rows = {
    what: {title: cells(slope(results, arms, size, "G0.pc1", part)) for title, part in shown.items()}
    | {name: cells(slope(results, arms, size, name, powers=name != "M.judged")) for name in memory}
    for what, (arms, size) in groups.items()
}
pandas.DataFrame.from_dict(rows, orient="index").T

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
    display(Markdown(f"**{drawing.name}**: {drawing.caption}"), Image(path.with_suffix(".png"), width=800))
