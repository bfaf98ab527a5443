"""Weights and schedules of prompts, carried out: chunks of tokens, weighted embeddings, windows of one text each."""
