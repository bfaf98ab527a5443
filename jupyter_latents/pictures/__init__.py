"""Pictures that come in: files, bytes, PIL pictures and arrays."""
