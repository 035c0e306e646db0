"""Personal tokens: the credentials with which programs come through the door."""
