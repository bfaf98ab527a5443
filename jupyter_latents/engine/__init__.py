"""Runs one stage: the tap, windows, hand-over, the model cache. It knows torch and diffusers, not IPython."""
