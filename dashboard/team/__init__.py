"""What people write and who they are: names, marks, notes, saved views."""
