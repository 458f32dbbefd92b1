"""The commit for any broker with any store, or with none: not atomic, but in the order that loses nothing.

    save → publish → ack

If we die between two steps the messages come again, and each step may be repeated: `save` is monotone and says which
record stands, publishing dedupes by (id, turn), and an ack of what is no longer ours changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.record import Record, same_call
from ..core.state import Phase
from ..drivers.base import Applied, Broker, Consumer, Entry, ResultStore, Standing, Transition


class SafeOrderCommit:
    """See the module. `store` is None where results are switched off; then a job leaves no record at all."""

    def __init__(self, broker: Broker, store: ResultStore | None) -> None:
        self.broker = broker
        self.store = store

    async def enqueue(self, entries: Sequence[Entry]) -> Sequence[Record]:
        """See base.Commit. All messages are published or none; records may be left behind by a failure, and the
        repeated call finds them."""
        if self.store is None:
            await self.broker.publish([entry.message for entry in entries])
            return [entry.record for entry in entries]
        winners = await self.store.save([entry.record for entry in entries])
        # A record that has not left its first phase may be one whose producer died before it published. Publishing
        # again heals that; where the message is still there, the broker takes no second one.
        new = [
            entry.message
            for entry, winner in zip(entries, winners, strict=True)
            if winner.turn == entry.record.turn and winner.phase == Phase.PENDING and same_call(winner, entry.record)
        ]
        if new:
            await self.broker.publish(new)
        return winners

    async def apply(self, consumer: Consumer, transitions: Sequence[Transition]) -> Sequence[Applied]:
        """See base.Commit. LOST is never said: the store, not the lease, decides which outcome stands."""
        winners = [transition.record for transition in transitions]
        if self.store is not None:
            winners = list(await self.store.save(winners))
        verdicts = [
            Applied(
                Standing.APPLIED if winner is transition.record or winner == transition.record else Standing.SUPERSEDED,
                winner,
            )
            for transition, winner in zip(transitions, winners, strict=True)
        ]
        settled = [
            transition
            for transition, verdict in zip(transitions, verdicts, strict=True)
            if verdict.standing is Standing.APPLIED
        ]
        publish = [message for transition in settled for message in transition.publish]
        if publish:
            await self.broker.publish(publish)
        dead = [transition.dead for transition in settled if transition.dead is not None]
        if dead:
            await consumer.dead_letter(dead)
        done = [transition.delivery for transition in settled if transition.dead is None]
        if done:
            await consumer.ack(done)
        return verdicts
