"""The characters of a script: where each was written, lines, quotes, and the template parts between them."""
