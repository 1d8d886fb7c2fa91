"""The guards of conftest.py guard."""

import socket
import threading
from urllib.request import urlopen

import pytest
import torch


@pytest.mark.parametrize("host", ["example.org", "192.0.2.1", "2001:db8::1"])
def test_another_machine_cannot_be_reached(host: str):
    with pytest.raises(RuntimeError, match="wanted to reach"):
        socket.create_connection((host, 80), timeout=0.1)


def test_nor_through_a_library():
    with pytest.raises(RuntimeError, match="wanted to reach"):
        urlopen("http://192.0.2.1/", timeout=0.1)


def test_not_even_by_a_single_packet():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets,
        pytest.raises(RuntimeError, match="wanted to reach"),
    ):
        packets.sendto(b"", ("192.0.2.1", 53))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_on_this_machine_can(host: str):
    with socket.create_server(("127.0.0.1", 0)) as server:
        greeting = threading.Thread(target=lambda: server.accept()[0].close())
        greeting.start()
        with socket.create_connection((host, server.getsockname()[1]), timeout=5) as client:
            assert client.recv(1) == b""
        greeting.join()


def test_torch_keeps_to_one_thread():
    assert torch.get_num_threads() == 1
