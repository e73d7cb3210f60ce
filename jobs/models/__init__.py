"""What the Models page does with models: files that came in, trials in processes of their own, removals."""
