"""What a page offers to others: its link, a report of it in one file, a card to embed."""
