"""What causes, context and artifact runs found: one plain sentence and a picture each, for Home."""
