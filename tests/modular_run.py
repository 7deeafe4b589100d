"""A small run of modular arithmetic, of no study in particular."""

from lib.params.study import load_study

SMALL = """
    task.name=modular task.p=11 task.train_share=0.5 task.split_seed=7
    model.name=mlp model.layers=1 model.width=16 batch.size=0 batch.accumulate=1
    schedule.steps=60 schedule.warmup=2 schedule.min_lr_ratio=1 schedule.decay=constant eval.every=5
    snapshots.dense_every=10 snapshots.dense_from=10 snapshots.dense_to=60
    snapshots.sparse_every=20 snapshots.sparse_from=20 snapshots.whole=[20]
    train.on_divergence=stop train.threads=1 machine.checkpoint_seconds=0.001
    stages.05_interference.steps=[20] stages.03_fisher.steps=[20]
"""
ADAMW = "optim.lr=1e-2 optim.beta1=0.9 optim.beta2=0.98 optim.weight_decay=1 optim.clip=1"


def modular_params(more="", optimizer=ADAMW):
    return load_study("beta2", "smoke", f"{SMALL} {optimizer} {more}", axes={}).runs[0].params
