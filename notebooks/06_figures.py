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
from pathlib import Path

from IPython.display import Image, Markdown, display

from lib.base.provenance import ROOT
from lib.params.study import load_study
from lib.report.claims import judge, load_claims
from lib.report.paper_figures import make_figures
from lib.report.results import collect
from lib.report.summary import table_beta2, write_summary
from lib.workflow.status import runs_table

resolved = load_study(study, profile, overrides)
place = Path(folder) if folder else ROOT / "outputs" / resolved.folder_name
results = collect(resolved, place)
print(runs_table(resolved.runs, place))

# %% [markdown]
# ## The table
#
# The reference's columns from our runs; `_null` is the same quantity on the no-learning null fitted to that run,
# `_excess` the difference. Read the excess.

# %%
print(table_beta2(results))

# %% [markdown]
# ## The claims
#
# Each claim of the paper is a test on these results. *Cannot tell* is a verdict too: one seed, or an effect
# smaller than its error.

# %%
write_summary(results)
verdicts = judge(load_claims(), results)
display(Markdown("\n".join(f"- **{v.verdict}**: {v.claim.claim} *({v.why})*" for v in verdicts)))

# %% [markdown]
# ## The figures

# %%
for path in make_figures(resolved, place):
    display(Markdown(f"**{path.stem}**"), Image(path.with_suffix(".png"), width=800))
