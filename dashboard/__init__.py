"""The pages. `ganatomy dashboard` serves them; nothing here imports torch or holds SQL."""
