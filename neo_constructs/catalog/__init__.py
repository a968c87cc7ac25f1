"""What Neo accepts: pure values, pure checks, and the data they stand on."""
