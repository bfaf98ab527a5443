"""What a panel finds out about its stages, and how long that is true."""
