"""What goes into a stage: inputs, outlines of latents to come, what is done to latents before they enter."""
