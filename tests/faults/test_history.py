"""The history checker finds what it is there to find: each rule broken once, in a history that is right otherwise."""

import pytest
from faults.history import Client, History, summary


@pytest.fixture
def history() -> History:
    """alice and bob have each received three notifications of one publisher, alice over two connections."""
    history = History()
    alice, bob = history.client("alice"), history.client("bob")
    for number in range(3):
        publish = history.publish("p", number, ["alice", "bob"], now=number)
        publish.settle("accepted", number + 0.5, f"id{number}")
        alice.connections = number
        for client in (alice, bob):
            client.receive(f"id{number}", publish.mark, f"epoch001.{number + 1}")
    return history


def alice_of(history: History) -> Client:
    return history.clients[0]


def drop(client: Client, identity: str) -> None:
    client.receipts = [receipt for receipt in client.receipts if receipt.id != identity]
    client.ids.discard(identity)


def test_a_history_without_faults(history: History) -> None:
    assert (history.faults(), history.missing(), history.repeats, history.received) == ([], 0, 0, 6)


def test_a_lost_event(history: History) -> None:
    drop(alice_of(history), "id1")
    assert history.missing() == 1
    assert summary(history.faults()) == {"lost": 1}


def test_what_a_reset_passed_over_is_looked_up_in_the_inbox(history: History) -> None:
    drop(alice_of(history), "id1")
    alice_of(history).resets.append(1)
    alice_of(history).snapshot([("id1", "p/1")])
    assert history.faults() == []


def test_a_repeated_delivery_is_counted_and_a_falling_position_found(history: History) -> None:
    alice_of(history).receive("id2", "p/2", "epoch001.3")
    assert history.repeats == 1
    assert summary(history.faults()) == {"falling": 1}


def test_one_publish_under_two_ids(history: History) -> None:
    alice_of(history).receive("id9", "p/2", "epoch001.9")
    assert summary(history.faults()) == {"twice": 1}


def test_a_refused_publish_that_went_out(history: History) -> None:
    history.publish("p", 3, ["alice"], now=3).settle("refused", 3.5)
    alice_of(history).receive("id3", "p/3", "epoch001.4")
    assert summary(history.faults()) == {"twice": 1}


def test_falling_positions(history: History) -> None:
    history.publish("q", 0, ["alice"], now=9).settle("accepted", 9.5, "id9")
    alice_of(history).receive("id9", "q/0", "epoch001.1")
    assert "falling" in summary(history.faults())


def test_another_epoch_needs_a_reset(history: History) -> None:
    for with_reset in (False, True):
        history.publish("q", int(with_reset), ["alice"], now=9).settle("accepted", 9.5, f"id9{with_reset}")
        if with_reset:
            alice_of(history).reset()
        alice_of(history).receive(f"id9{with_reset}", f"q/{int(with_reset)}", f"epoch00{2 + with_reset}.1")
    assert [fault.rule for fault in history.faults()] == ["falling"]


def test_a_publishers_order_swapped() -> None:
    history = History()
    alice = history.client("alice")
    for number in range(2):
        history.publish("p", number, ["alice"], now=number).settle("accepted", number + 0.5, f"id{number}")
    alice.receive("id1", "p/1", "epoch001.1")
    alice.receive("id0", "p/0", "epoch001.2")
    assert summary(history.faults()) == {"swapped": 1}


def test_publishes_at_the_same_time_have_no_order() -> None:
    history = History()
    alice = history.client("alice")
    for number in range(2):
        history.publish("p", number, ["alice"], now=0).settle("accepted", 5, f"id{number}")
    alice.receive("id1", "p/1", "epoch001.1")
    alice.receive("id0", "p/0", "epoch001.2")
    assert history.faults() == []


def test_an_unknown_outcome_is_there_for_all_or_for_none(history: History) -> None:
    unknown = history.publish("q", 0, ["alice", "bob"], now=9)
    unknown.settle("unknown", 9.5)
    assert history.faults() == []
    alice_of(history).receive("id9", "q/0", "epoch001.9")
    assert summary(history.faults()) == {"torn": 1}
    history.clients[1].receive("id9", "q/0", "epoch001.9")
    assert history.faults() == []


def test_two_clients_who_disagree_about_a_position(history: History) -> None:
    history.publish("q", 0, ["alice", "bob"], now=9).settle("accepted", 9.5, "id9")
    for client, position in zip(history.clients, (8, 9), strict=True):
        client.receive("id9", "q/0", f"epoch001.{position}")
    assert summary(history.faults()) == {"disagree": 1}


def test_somebody_elses_notification(history: History) -> None:
    history.publish("q", 0, ["bob"], now=9).settle("accepted", 9.5, "id9")
    for client in history.clients:
        client.receive("id9", "q/0", "epoch001.9")
    assert summary(history.faults()) == {"strange": 1}
