"""The arms by what they are called, and which of them differ in the amplitude of their noise alone."""

from lib.report.axis import Level

NAMES = {
    "muon": "Muon",
    "adamw": "AdamW",
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
}
DOSES = {  # noise of one norm: amplitude -> arm
    "orthonormal": {1e-3: "ortho_3", 1e-2: "ortho_2", 1e-1: "ortho_1", 1.0: "ortho_0"},
    "Gaussian": {1e-2: "gauss_2", 1e-1: "gauss_1", 1.0: "gauss_0"},
}


def named(arm: Level) -> str:
    return NAMES.get(str(arm), str(arm))
