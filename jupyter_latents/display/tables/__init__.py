"""What is shown as a table: the latents and models that a session holds, and plans."""
