"""Tests in a real Chromium; `make test-browser` runs them, the whole suite does without a browser."""
