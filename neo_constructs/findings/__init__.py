"""What is wrong, why, and how to put it right; the errors that carry it."""
