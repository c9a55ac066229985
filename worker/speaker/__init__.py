"""What speaks in a call: attached to the room, and detached again, without the call noticing more than a pause."""
