"""What a person sees of runs and latents: the live view, the static output, the text of a terminal.

Importing this room loads neither torch nor widgets: they are imported when something is shown.
"""
