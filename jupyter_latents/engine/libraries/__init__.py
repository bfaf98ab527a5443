"""The libraries that the engine stands on: imported, made to agree, their words gathered, their versions."""
