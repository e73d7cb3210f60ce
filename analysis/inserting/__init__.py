"""What an insertion needs: constants and controls, cells and what fills them, sweep, statistics."""
