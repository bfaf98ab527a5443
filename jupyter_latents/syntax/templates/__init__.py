r"""Templates and ``\setp``: what they see, and how they are evaluated."""
