"""Plans: what the stages of a script will do, told without loading weights."""
