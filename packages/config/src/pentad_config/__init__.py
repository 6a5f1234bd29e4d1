"""Secrets that never show themselves, key rings that rotate, settings that explain themselves."""
