"""Trajectory geometry: snapshots -> digest -> backbone, against the nulls. Nothing here knows the model."""
