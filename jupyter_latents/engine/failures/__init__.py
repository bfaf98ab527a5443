"""What fails while a stage runs: NaN and infinity where they are made, and memory that runs out."""
