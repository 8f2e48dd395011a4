"""What those who send and read messages are made of."""
