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
from lib.report.run_tables import plain_table
from lib.report.study_table import study_table
from lib.report.summary import claims_table, verdicts_of, write_summary
from lib.workflow.status import runs_rows

os.chdir(ROOT)  # wherever this notebook is opened: paths as make has them
results = open_study(study, profile, overrides, folder)
(head, *rows), notes = runs_rows(results.study, results.folder)
Markdown("\n\n".join([plain_table(head, rows), *notes]))

# %% [markdown]
# ## The table
#
# One column a level of the study's axis: what is published, what is observed here, the same quantity on the
# no-learning null fitted to each run, and the difference. Read the excess. Over several seeds values are means,
# with half of a 95 % interval.
#
# Any other quantity can be asked for by its name, and `results.frame(["G0.pc1"])` has a row a run. A single run
# has more: `results.runs[0].metrics()` is a table of its evaluations, `.digest` its Gram matrices, `.snapshots`
# its weights.

# %%
scores = {
    "val.final": "final validation loss",
    "p_ood.best": "",
    "p_ood.best_step": "step of the best",
    "p_ood.last": "",
}
own = {name: words for name, words in scores.items() if name in results.own}  # a study of yours may not have them
study_table(results, own | dict.fromkeys(["G1.pc1", "G1.k95", "G1.k99", "G1.drift", "U1.mean_abs"], ""))

# %% [markdown]
# ## The claims
#
# Each claim of the paper is a test on these results, with one of four verdicts: it holds, it is excluded, the
# effect is absent (as good as none), or it cannot be told. Behind it stands that of the null with memory.

# %%
write_summary(results)
verdicts = verdicts_of(results)
display(Markdown(claims_table(verdicts)))

# %% [markdown]
# ## The figures

# %%
for drawing, path in zip(drawings(results), make_figures(results), strict=True):
    display(Markdown(f"**{drawing.name}**: {drawing.told}"), Image(path.with_suffix(".png"), width=800))
