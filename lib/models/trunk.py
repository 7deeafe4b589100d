"""The registered order of the trunk: how it is flattened everywhere, in drifts, gradients and directions."""

from lib.params.run import ModelParams

# Inside a block.
TRUNK_MATRICES = ("attn.out_proj.weight", "attn.qkv.weight", "mlp.w_down.weight", "mlp.w_up.weight")


def trunk_names(m: ModelParams) -> list[str]:
    return [f"blocks.{i}.{matrix}" for i in range(m.layers) for matrix in TRUNK_MATRICES]
