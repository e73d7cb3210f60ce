"""StyleGAN2 and StyleGAN3, in the layouts of their published checkpoints."""
