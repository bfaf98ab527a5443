"""Runs: a script at work, its stages one after another or side by side; its steps, and who waits for it."""
