"""The backbone of transformer training: model, training loop and trajectory geometry, in plain functions."""
