"""The tests, and what they start, calculate in one thread each: they run side by side, and waiting threads spin."""

import os

os.environ |= {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
