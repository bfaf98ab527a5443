"""What pictures say of how they were made: the texts in their files, ours and those of other programs."""
