"""The one dict: kind of job -> what does it, and what its failure leaves behind."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from calls.jobs import GiveUp, Job, PutOff
from pipeline import batches, dial, erasure, latency, opening, phrases, post_call, recorder, recording, webhooks
from pipeline.deps import Deps
from pipeline.fate import Fate


@dataclass(frozen=True)
class Handler:
    """`run` does one attempt; it may be repeated after a crash at any point and must bear it.

    `give_up` runs in the transaction that ends the job as failed or dead, also when its process was lost; `put_off` in
    the one that lets it be tried again.
    An error raised by `run` counts as `Retry`.
    """

    run: Callable[[Job, Deps], Awaitable[Fate]]
    give_up: GiveUp | None = None
    put_off: PutOff | None = None


HANDLERS: dict[str, Handler] = {
    "post_call": Handler(post_call.run, post_call.give_up, post_call.put_off),
    "record": Handler(recorder.run),
    "remove_late": Handler(recorder.remove_late),
    "reprocess": Handler(post_call.run_again, post_call.give_up_again),
    "store_recording": Handler(recording.run, recording.give_up),
    "measure_latency": Handler(latency.run),
    "open_room": Handler(opening.run, opening.give_up),
    "dial": Handler(dial.run, dial.give_up),
    "cancel_batch": Handler(batches.run),
    "deliver": Handler(webhooks.run, webhooks.give_up),
    "erase": Handler(erasure.run),
    "translate_phrases": Handler(phrases.run),
}

# How many jobs of each queue one process runs at a time.
QUEUES: dict[str, int] = {
    "rooms": 20,
    "dial": 50,
    "batches": 2,
    "reprocess": 4,
    "post_call": 32,  # nearly all of their time they wait for a model
    "egress": 20,
    "recording": 4,
    "latency": 1,
    "webhooks": 100,
    "erasure": 4,
    "phrases": 2,
}
