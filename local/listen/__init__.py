"""Deepgram's `/v1/listen`: speech to text."""
