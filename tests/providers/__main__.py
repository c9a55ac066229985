"""Serves the stand-ins as a process, with fixed delays: `python -m tests.providers --port 8099 --llm-s 0.1`."""

import argparse
import asyncio

from tests.providers.server import Providers


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    for service in ("stt", "llm", "tts"):
        parser.add_argument(f"--{service}-s", type=float, default=0.1, help="seconds before an answer (%(default)s)")
    parser.add_argument("--hear", default="Could you tell me a little more about that, please?")
    parser.add_argument("--answer", default="Of course. We are open every day, and I can book a table for you.")
    options = parser.parse_args()
    delays = {"stt_s": options.stt_s, "llm_s": options.llm_s, "tts_s": options.tts_s}
    async with Providers(port=options.port, **delays) as providers:
        providers.hear_with(lambda _: options.hear)
        providers.answer_with(lambda _: options.answer)
        print(providers.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
