"""What a run told, step by step: kept plainly, filled up afterwards, made again from latents."""
