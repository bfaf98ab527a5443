"""What `prepare` asks: whether a stage can run, at which size, and with which arguments."""
