"""Results that are kept, in memory and on disk, and what they are known by."""
