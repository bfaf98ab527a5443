"""Pictures small enough to show: encoded, laid over each other, put together on sheets."""
