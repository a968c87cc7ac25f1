"""Check in an account what this library takes for granted of AWS: ``neo verify``."""
