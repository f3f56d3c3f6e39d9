"""Servers the tests talk to: moto and SeaweedFS (made by others, both check signatures) and our own that misbehaves."""
