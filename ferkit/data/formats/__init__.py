"""What single formats of pictures need beside Pillow: what a file really costs, and values of 16 bits or in text."""
