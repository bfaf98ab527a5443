"""Rules between the options of one invocation: what is refused, and what is worth a line."""
