"""The agent's tools: what the user's servers do for the language model while the call goes on."""
