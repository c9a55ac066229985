"""A call as a caller hears it."""


async def test_the_agent_greets_and_answers_and_both_are_written_down(stage, providers, until):
    providers.hear("Do you have a table for two?")
    providers.answer("Yes, at eight.")
    call = await stage.call(first_message="Hello, this is Ada.")
    async with call.caller() as caller:
        await until(lambda: call.said("agent"))
        assert await call.said("agent") == "Hello, this is Ada."
        await caller.say(2.0)
        await until(lambda: "Yes, at eight." in providers.spoken)

        async def answered():
            return "Yes, at eight." in await call.said("agent")

        await until(answered)
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    rows = await call.transcript()
    assert [(r.sequence, r.speaker, r.text) for r in rows] == [
        (0, "agent", "Hello, this is Ada."),
        (1, "user", "Do you have a table for two?"),
        (2, "agent", "Yes, at eight."),
    ]
    assert all(r.is_final for r in rows)
