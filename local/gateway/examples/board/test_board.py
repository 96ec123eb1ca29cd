"""What goes wrong on AWS and never on a laptop, with a test for each."""

import board_client
import pytest


@pytest.fixture
def ada(chalice_gateway):
    return chalice_gateway.connect("?user=ada")


@pytest.fixture
def bob(chalice_gateway):
    return chalice_gateway.connect("?user=bob")


def write(client, number, text):
    for message in board_client.write(number, text):
        client.send(message)


def board(client):
    """The texts on the board, as ``client`` gets them."""
    client.send_json({"type": "get"})
    while (received := client.receive_json())["type"] != "board":
        pass
    return received["texts"]


def test_newest_text_stays_although_messages_overtake_each_other(chalice_gateway, ada):
    with chalice_gateway.faults(seed=3, message_order="shuffled"):
        for number in range(1, 11):
            write(ada, number, f"text {number}")
        chalice_gateway.settle()

    assert board(ada) == {"ada": "text 10"}


def test_client_that_is_gone_gets_no_more_posts(chalice_gateway, ada, bob):
    with chalice_gateway.faults(lose_disconnects=1):
        bob.vanish()
    write(ada, 1, "hello")

    assert ada.receive_json()["type"] == "text"
    assert ada.receive_json() == {"type": "left", "user": "bob"}
    ada.assert_silent()


def test_client_whose_disconnect_was_lost_is_reported_as_left(chalice_gateway, ada, bob):
    with chalice_gateway.faults(lose_disconnects=1):
        bob.vanish()
    chalice_gateway.clock.advance(minutes=2)

    assert ada.receive_json() == {"type": "left", "user": "bob"}


def test_client_that_only_watches_stays_connected(chalice_gateway, ada):
    chalice_gateway.clock.advance(minutes=60)

    assert board(ada) == {}


def test_text_outlives_the_two_hours_of_a_connection(chalice_gateway, ada):
    write(ada, 1, "hello")
    chalice_gateway.clock.advance(hours=2)
    assert ada.closed() == (1001, "Going away")

    again = chalice_gateway.connect("?user=ada")

    assert board(again) == {"ada": "hello"}


@pytest.mark.parametrize("letter", ["a", "ä", "🎉"])
def test_long_text_arrives_whole(ada, bob, letter):
    write(ada, 1, letter * 12_000)

    assert bob.receive_json() == {"type": "text", "user": "ada", "length": 12_000, "number": 1}
