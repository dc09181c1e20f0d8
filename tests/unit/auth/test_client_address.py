"""Where a request comes from, and what a client can't make of it."""

import pytest

from service.auth.client_address import NetworkSet, client_address, network_of
from service.errors import ConfigurationError

TRUSTED = NetworkSet(["127.0.0.1/32", "::1/128", "10.0.0.0/8"], "trusted_proxies")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # a stranger's word
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),  # the client wrote the left one
        ("127.0.0.1", "6.6.6.6, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
        ("127.0.0.1", "10.1.2.3, 10.1.2.4", "10.1.2.3"),  # all inside
        ("127.0.0.1", "198.51.100.1, rubbish", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1, rubbish, 10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", ",,", "127.0.0.1"),
        ("::1", "[2001:db8::7]:1234", "2001:db8::7"),
        ("::ffff:127.0.0.1", "198.51.100.1:80", "198.51.100.1"),
        ("", "198.51.100.1", ""),
    ],
)
def test_the_rightmost_untrusted_address_is_the_client(peer, forwarded, client):
    assert client_address(peer, forwarded, TRUSTED) == client


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("", "unknown"),
        ("rubbish", "unknown"),
    ],
)
def test_networks_are_addresses_or_a_64(address, network):
    assert network_of(address) == network


def test_trust_is_by_network():
    trusted = [TRUSTED.contains(peer) for peer in ("10.9.9.9", "::ffff:10.0.0.1", "11.0.0.1", "", "x")]
    assert trusted == [True, True, False, False, False]


def test_a_network_that_is_none_is_named():
    with pytest.raises(ConfigurationError, match=r"LIKEWISE_TRUSTED_PROXIES.*10\.0\.0\.0/33"):
        NetworkSet(["10.0.0.0/33"], "trusted_proxies")
