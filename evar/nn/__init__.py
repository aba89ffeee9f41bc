"""Networks and what they need: log-mel, ViT, positions, pooling, checkpoints; shared by encoders and pre-training."""
