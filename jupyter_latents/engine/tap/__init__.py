"""The one seam to diffusers' pipelines: `tap` runs one; the scheduler and the class that it sees stand beside."""
