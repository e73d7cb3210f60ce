"""BigGAN and BigGAN-deep, in the layouts of their published checkpoints."""
