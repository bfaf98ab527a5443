"""Models: found, described and checked before any weights load; loaded, shared and let go of."""
