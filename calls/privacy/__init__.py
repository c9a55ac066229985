"""What must not be kept: erasure, retention and redaction."""
