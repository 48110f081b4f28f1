"""What a frozen backbone makes of pictures, computed once."""
