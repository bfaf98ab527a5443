"""Cells that lead back from a picture: what made latents, written into files and read out of them."""
