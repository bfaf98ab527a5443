"""Files that hold latents, in the formats that others write and read."""
