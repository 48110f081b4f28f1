"""What happens to data before training: validation, quarantine, cleaning, balancing."""
