"""What a stage puts on a model: a VAE, ControlNets, a quantizer, LoRAs, optimizations. A row of `table` each."""
