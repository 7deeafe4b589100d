"""What only the study of robustness needs."""
