"""Speech and language on this machine's CPU, behind the wire protocols of Deepgram and OpenAI."""
