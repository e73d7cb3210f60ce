"""What explains the dashboard on its own pages: the glossary, the tour, and the keys."""
