"""What only the study of modular addition needs."""
