"""What only the study of grokking needs."""
