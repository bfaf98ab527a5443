"""How the demo models were made: scenes that are drawn, training, export. Not in the wheel."""
