"""How fast this package is on this machine, beside a plain way of doing the same: `python -m bench`."""
