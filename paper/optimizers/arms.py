"""The arms by what claims.yaml calls them, and which of them differ in the amplitude of their noise alone."""

from pathlib import Path

from lib.report.axis import Level
from lib.report.claims_file import axis_in

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
    return axis_in(Path(__file__).parent).text(arm)
