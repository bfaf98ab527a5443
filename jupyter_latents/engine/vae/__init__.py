"""What goes through a VAE: pictures of latents and back, crossings between spaces, previews."""
