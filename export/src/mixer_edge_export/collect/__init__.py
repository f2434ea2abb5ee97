"""Bring home what boards were taught and what they were unsure of: pictures in class folders, with a table."""
