"""What the defences are made of."""
