"""What a model's files say of themselves: names, headers, settings and digests, before any weights load."""
