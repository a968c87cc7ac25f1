"""The files that frameworks save: recognised and read without any of the frameworks."""
