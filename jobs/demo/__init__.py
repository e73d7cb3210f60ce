"""What the demo shows: dissections that it runs, and results of other studies that come with Ganatomy."""
