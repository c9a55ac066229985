"""How an agent talks, by its sound alone: callers over WebRTC, providers that take exactly as long as they are told."""
