"""What a synthesized cloud assembly will do, for whoever reviews it before it is deployed."""
