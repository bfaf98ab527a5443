"""Schedules: schedulers by name, their timesteps, noise levels, windows, and how latents enter them."""
