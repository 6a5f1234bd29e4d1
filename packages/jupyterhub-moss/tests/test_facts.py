"""What is remembered of Slurm's answers."""

import asyncio

from jupyterhub_moss.facts import Conclusions, FactsCache


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Slurm:
    """Answers when told to, and counts the questions."""

    def __init__(self):
        self.questions = 0
        self.answer = {"cpu": object()}
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def ask(self):
        self.questions += 1
        await self.may_answer.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_an_answer_is_used_again_until_it_is_old():
    """Within max_age Slurm is asked once."""

    async def scenario():
        clock, slurm = Clock(), Slurm()
        cache = FactsCache(clock)
        await cache.get(("k",), slurm.ask, max_age=10)
        clock.now = 9
        assert (await cache.get(("k",), slurm.ask, max_age=10)).age == 9
        assert slurm.questions == 1
        clock.now = 10
        assert (await cache.get(("k",), slurm.ask, max_age=10)).age == 0
        assert slurm.questions == 2

    asyncio.run(scenario())


def test_fifty_visitors_share_one_question():
    """Who asks while a question is under way gets its answer, and a visitor who leaves cancels nothing."""

    async def scenario():
        slurm = Slurm()
        slurm.may_answer.clear()
        cache = FactsCache()
        visitors = [asyncio.ensure_future(cache.get(("k",), slurm.ask, max_age=10)) for _ in range(50)]
        await asyncio.sleep(0)
        visitors[0].cancel()
        slurm.may_answer.set()
        facts = await asyncio.gather(*visitors[1:])
        assert slurm.questions == 1
        assert all(each.resources == slurm.answer for each in facts)

    asyncio.run(scenario())


def test_a_failure_leaves_the_last_answer():
    """When Slurm fails, the last answer is returned with its age and the error."""

    async def scenario():
        clock, slurm = Clock(), Slurm()
        cache = FactsCache(clock)
        good = (await cache.get(("k",), slurm.ask, max_age=0)).resources
        clock.now, slurm.answer = 60, RuntimeError("Socket timed out")
        facts = await cache.get(("k",), slurm.ask, max_age=0)
        assert facts == (good, 60, "Socket timed out", True)

    asyncio.run(scenario())


def test_a_failure_before_any_answer_is_told():
    """Without an answer ever, nothing is known and the error says why."""

    async def scenario():
        slurm = Slurm()
        slurm.answer = RuntimeError("refused")
        facts = await FactsCache().get(("k",), slurm.ask, max_age=0)
        assert (facts.known, facts.error, facts.resources) == (False, "refused", {})

    asyncio.run(scenario())


def test_a_slow_slurm_keeps_nobody_waiting():
    """With an older answer a visitor gets that one soon; it counts as a failure when ten times as long has passed."""

    async def scenario():
        clock, slurm = Clock(), Slurm()
        cache = FactsCache(clock)
        cache.answers.patience = 0.001
        good = await cache.get(("k",), slurm.ask, max_age=0)
        slurm.may_answer.clear()
        assert await cache.get(("k",), slurm.ask, max_age=0) == good
        clock.now = 60
        assert await cache.get(("k",), slurm.ask, max_age=0) == (slurm.answer, 60, "there is no answer yet", True)
        assert slurm.questions == 2
        slurm.may_answer.set()

    asyncio.run(scenario())


def test_slurm_has_a_pause_after_a_failure():
    """Right after a failure its error is told again without a question."""

    async def scenario():
        clock, slurm = Clock(), Slurm()
        slurm.answer = RuntimeError("refused")
        cache = FactsCache(clock)
        for clock.now in (0, 1, 4):
            assert (await cache.get(("k",), slurm.ask, max_age=0)).error == "refused"
        assert slurm.questions == 1
        clock.now = 6
        await cache.get(("k",), slurm.ask, max_age=0)
        assert slurm.questions == 2

    asyncio.run(scenario())


def test_a_conclusion_is_drawn_once_for_all_to_whom_the_same_applies():
    """Another answer, other rights or a configuration that was changed in place need a new one."""
    conclusions, answer, drawn = Conclusions(), {"cpu": 1}, []

    def conclude():
        drawn.append(len(drawn))
        return drawn[-1]

    def get(answer, applies):
        return conclusions.get(answer, applies, conclude)

    config = {"cpu": {"max_nprocs": 4}}
    assert [get(answer, config), get(answer, {"cpu": {"max_nprocs": 4}}), get(answer, {})] == [0, 0, 1]
    config["cpu"]["max_nprocs"] = 8
    assert get(answer, config) == 2
    assert get(dict(answer), config) == 3  # equal, but given later
    assert get(answer, config) == 4


def test_few_conclusions_are_kept():
    """However many kinds of rights there are."""
    conclusions, answer = Conclusions(), {}
    for number in range(1000):
        conclusions.get(answer, number, object)
    last = conclusions.get(answer, 999, object)
    assert conclusions.get(answer, 999, object) is last
    assert len(conclusions._drawn) <= 32
