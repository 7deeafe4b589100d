"""The arms by what they are called, and which of them differ in the amplitude of their noise alone."""

from lib.report.axis import Level

NAMES = {
    "muon": "Muon",
    "adamw": "AdamW",
    "sgd": "SGD",
    "recipe": "Muon, public recipe",
    "nolah": "NOLAH",
    "rewriting": "memory rewritten, no noise",
    "literal": "memory rewritten, OrthoNoise 0.001",
    "literal_isotropic": "Isotropic in the memory, 0.001",
    "ortho_3": "orthonormal, 0.001",
    "ortho_2": "orthonormal, 0.01",
    "ortho_1": "orthonormal, 0.1",
    "ortho_0": "orthonormal, 1",
    "gauss_2": "Gaussian, 0.01",
    "gauss_1": "Gaussian, 0.1",
    "gauss_0": "Gaussian, 1",
    "ortho_4": "orthonormal, 0.0001",
    "ortho_5_3": "orthonormal, 0.005",
    "ortho_5_2": "orthonormal, 0.05",
    "gauss_5_2": "Gaussian, 0.05",
    "annealed_4": "annealed, 0.0001",
    "annealed_3": "annealed, 0.001",
    "annealed_5_3": "annealed, 0.005",
    "annealed_2": "annealed, 0.01",
    "annealed_5_2": "annealed, 0.05",
    "literal_annealed": "memory rewritten, annealed 0.01",
    "linear": "falling on a line, 0.01",
    "slow": "half in 500 steps, 0.01",
    "below_30": "below 0.3 of full rank, 0.01",
    "below_70": "below 0.7 of full rank, 0.01",
}
DOSES = {  # noise of one norm: amplitude -> arm
    "orthonormal": {
        1e-4: "ortho_4",
        1e-3: "ortho_3",
        5e-3: "ortho_5_3",
        1e-2: "ortho_2",
        5e-2: "ortho_5_2",
        1e-1: "ortho_1",
        1.0: "ortho_0",
    },
    "Gaussian": {1e-2: "gauss_2", 5e-2: "gauss_5_2", 1e-1: "gauss_1", 1.0: "gauss_0"},
}


def named(arm: Level) -> str:
    return NAMES.get(str(arm), str(arm))
