"""What a stage puts on a model: a module each, which a field of `ModelSource` names."""
