"""What scripts name, found and bound: variables, files, addresses."""
