"""Everything that must happen later, or must survive a crash: dials, post-call work, recordings, webhooks out."""
